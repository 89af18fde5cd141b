// Everything that is fuzzed.
import { configTargets } from './config-targets.ts';
import { messageTargets } from './message-targets.ts';
import { sessionTargets } from './session-targets.ts';
import { smtpTargets } from './smtp-targets.ts';
import type { Target } from './target.ts';

export const targets: readonly Target[] = [
  ...smtpTargets,
  ...messageTargets,
  ...configTargets,
  ...sessionTargets,
];
