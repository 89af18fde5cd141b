// What machines ask: whether the process lives, whether mail can pass, and the metrics.
import { metricsType } from '../telemetry/metrics-total.ts';
import type { Observatory, Readiness } from '../telemetry/status.ts';
import { jsonAnswer, type Route, textAnswer } from './route.ts';

/** Whoever asks more often gets the same answer again: anybody may ask. */
const readinessAgeMs = 1000;

/** `/healthz`: whoever answers lives. */
export const health: Route = async (_, { pathname }) =>
  pathname === '/healthz' ? textAnswer(200, 'ok') : undefined;

/** `/readyz`: 200 where mail can pass, else 503; either way why. */
export function readiness(): Route {
  const kept = new WeakMap<Observatory, { readonly until: number; readonly answer: Promise<Readiness> }>();
  return async (_, { pathname }, { observatory }) => {
    if (pathname !== '/readyz') return undefined;
    const now = performance.now();
    let last = kept.get(observatory);
    if (!last || last.until <= now) {
      last = { until: now + readinessAgeMs, answer: observatory.readiness() };
      kept.set(observatory, last);
    }
    const { ready, reasons } = await last.answer;
    return jsonAnswer(ready ? 200 : 503, { ready, reasons });
  };
}

/** `/metrics`: all processes together, for Prometheus. */
export const metrics: Route = async (_, { pathname }, { observatory }) => {
  if (pathname !== '/metrics') return undefined;
  return { status: 200, type: metricsType, body: await observatory.metrics() };
};
