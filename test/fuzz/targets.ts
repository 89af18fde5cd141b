// Everything that is fuzzed.
import { addressTargets } from './address-targets.ts';
import { configTargets } from './config-targets.ts';
import { contentTargets } from './content-targets.ts';
import { fieldTargets } from './field-targets.ts';
import { messageTargets } from './message-targets.ts';
import { parserTargets } from './parser-targets.ts';
import { sessionTargets } from './session-targets.ts';
import { smtpTargets } from './smtp-targets.ts';
import type { Target } from './target.ts';
import { textTargets } from './text-targets.ts';

export const targets: readonly Target[] = [
  ...smtpTargets,
  ...parserTargets,
  ...addressTargets,
  ...contentTargets,
  ...messageTargets,
  ...fieldTargets,
  ...textTargets,
  ...configTargets,
  ...sessionTargets,
];
