// An Observatory without a Postern behind it.
import type { Observatory } from '../../src/telemetry/status.ts';

/** @param changes what it answers else than that all is well and nothing has happened */
export function fakeObservatory(changes: Partial<Observatory> = {}): Observatory {
  return {
    status: async () => [],
    metrics: async () => '# HELP x_total x\n# TYPE x_total counter\nx_total 1\n',
    readiness: async () => ({ ready: true, reasons: [] }),
    stories: async () => [],
    story: async () => undefined,
    follow() {},
    ...changes,
  };
}
