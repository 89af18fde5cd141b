// What a process holds on to: compared before and after a run, nothing may be left behind.
import { readdirSync, readlinkSync } from 'node:fs';

/** How long what is closed may take to be gone. */
const settleMs = 3000;

export interface Resources {
  /** Timers, sockets and whatever else node:process names, with their number. */
  readonly active: ReadonlyMap<string, number>;
  /** Open descriptors of this process. */
  readonly descriptors: number;
}

export function resources(): Resources {
  const active = new Map<string, number>();
  for (const name of process.getActiveResourcesInfo()) active.set(name, (active.get(name) ?? 0) + 1);
  return { active, descriptors: readdirSync('/proc/self/fd').length };
}

/**
 * Waits until there is no more than before.
 *
 * @returns what is left, where that does not come to pass
 */
export async function leftBehind(before: Resources): Promise<readonly string[]> {
  const deadline = performance.now() + settleMs;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    const now = resources();
    const left = [...now.active]
      .filter(([name, count]) => name !== 'Immediate' && count > (before.active.get(name) ?? 0))
      .map(([name, count]) => `${name}: ${count}, before ${before.active.get(name) ?? 0}`);
    if (now.descriptors > before.descriptors)
      left.push(`descriptors: ${now.descriptors}, before ${before.descriptors} (${openFiles()})`);
    if (left.length === 0 || performance.now() > deadline) return left;
  }
}

function openFiles(): string {
  const names = readdirSync('/proc/self/fd').map((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`);
    } catch {
      return '';
    }
  });
  return names.slice(-10).join(' ');
}
