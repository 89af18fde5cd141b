// The systemd unit under a systemd that has booted, installed as docs/operations.md says, from the image for it.
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { eventually } from '../../test/mta/support/wait.ts';
import { readImage } from './container.ts';

const run = promisify(execFile);
const work = process.env.POSTERN_IMAGES;
if (work === undefined) throw new Error('docker/check-image.sh runs this');
const { root } = readImage(work, 'systemd');

const configuration = (name: string) => `
hostname: mx.example.com
listeners:
  - { name: ${name}, listen: 127.0.0.1:10025, mode: after-queue, destinations: [smtp://127.0.0.1:1] }
workers: 2
`;

describe('the systemd unit', () => {
  let machine: ChildProcess;
  let output = '';

  /** Runs a shell's command line in it; @throws Error when that fails */
  async function inside(line: string): Promise<string> {
    const { stdout } = await run(
      'nsenter',
      [`--target=${init()}`, '--all', 'sh', '-c', `cd /usr/local/lib/node_modules && ${line}`],
      { timeout: 60_000, env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' } },
    ).catch((error: Error & { stdout: string; stderr: string }) => {
      throw new Error(`${error.message}\n${error.stdout}\n${error.stderr}\n${output}`);
    });
    return stdout;
  }

  /** The first process in it. */
  const init = () => {
    const { pid } = machine;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return children.split(' ')[0];
  };
  const property = async (name: string) =>
    (await inside(`systemctl show postern --property=${name} --value`)).trim();
  const journal = () => inside('journalctl --unit postern --output cat --no-pager');

  before(
    async () => {
      mkdirSync(join(root, 'etc/postern'), { recursive: true });
      writeFileSync(join(root, 'etc/postern/postern.yaml'), configuration('first'));
      // Its /run is the machine's own otherwise, which may be a disk, and has who knows what.
      const options = ['--quiet', '--boot', `--directory=${root}`, '--private-network', '--console=pipe'];
      const apart = [
        '--register=no',
        '--keep-unit',
        '--link-journal=no',
        '--resolv-conf=off',
        '--timezone=off',
      ];
      machine = spawn(
        'unshare',
        [
          '--mount',
          '--propagation=private',
          'sh',
          '-c',
          'mount -t tmpfs tmpfs /run && exec systemd-nspawn "$@"',
          'sh',
        ].concat(options, apart),
        { stdio: ['ignore', 'pipe', 'pipe'] },
      );
      for (const stream of [machine.stdout, machine.stderr]) stream?.on('data', (piece) => (output += piece));
      await eventually(
        'systemd to be up',
        async () =>
          init() !== '' &&
          (await inside('systemctl is-system-running || true').catch(() => '')) === 'running\n',
        { limitMs: 60_000, state: () => output },
      );
    },
    { timeout: 70_000 },
  );
  after(async () => {
    // As a power button: systemd-nspawn ends when all in it have ended.
    const gone = once(machine, 'exit');
    machine.kill('SIGTERM');
    await gone;
  });

  test('is installed and started by the lines of docs/operations.md, and ready when that returns', async () => {
    const document = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
    const [, block = ''] = /^```console\n((?:# .*\n)+)```$/mu.exec(document) ?? [];
    const lines = block.split('\n').flatMap((line) => (line.startsWith('# ') ? [line.slice(2)] : []));
    assert.ok(lines.length > 3, block);
    for (const line of lines) await inside(line);
    assert.equal(await property('ActiveState'), 'active');
    assert.equal(await property('NRestarts'), '0');
    assert.match(await property('StatusText'), /\S/u);
    await inside(
      "node -e \"require('node:net').connect(10025, '127.0.0.1').on('data', () => process.exit(0))\"",
    );
    assert.match(await journal(), /"event":"listening"/u);
  });

  test('runs as a user of its own, confined, with the limits of the unit', async () => {
    const status = await inside(`cat /proc/$(systemctl show postern --property=MainPID --value)/status`);
    const user = (await inside('id --user postern')).trim();
    assert.match(status, new RegExp(`^Uid:\\t${user}\\t${user}\\t${user}\\t${user}$`, 'mu'));
    assert.match(status, /^CapBnd:\t0+$/mu);
    assert.match(status, /^NoNewPrivs:\t1$/mu);
    assert.match(status, /^Seccomp:\t2$/mu);
    const limits = await inside(`cat /proc/$(systemctl show postern --property=MainPID --value)/limits`);
    // No more than the machine's own limit, which only its root may raise.
    const [, most = ''] =
      /^Max open files +\d+ +(\d+)/mu.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    const expected = most === 'unlimited' ? 65_536 : Math.min(65_536, Number(most));
    assert.match(limits, new RegExp(`^Max open files +${expected} +${expected} `, 'mu'));
    assert.match(limits, /^Max core file size +0 +0 /mu);
  });

  test('may write its spool, and nothing else that is the system’s', async () => {
    const pid = await property('MainPID');
    const tries = (path: string) =>
      inside(`nsenter --target=${pid} --mount sh -c 'touch ${path}/trial 2>&1' || true`);
    assert.equal(await tries('/var/spool/postern'), '');
    for (const path of ['/etc/postern', '/usr/local/lib', '/var/lib']) {
      assert.match(await tries(path), /Read-only file system/u, path);
    }
  });

  test('reads its configuration again on reload, without a new process', async () => {
    const before = await property('MainPID');
    await inside('sed --in-place s/first/second/ /etc/postern/postern.yaml && systemctl reload postern');
    await eventually('the new listener', async () => (await journal()).includes('"listener":"second"'));
    // What it says of the end of the reload comes after its log.
    await eventually('the end of the reload', async () => (await property('ActiveState')) === 'active');
    assert.equal(await property('MainPID'), before);
  });

  test('is started again when it is killed, and not when its configuration is wrong', async () => {
    const before = await property('MainPID');
    await inside('systemctl kill --kill-whom=main --signal=KILL postern');
    await eventually('a new process', async () => {
      const now = await property('MainPID');
      return now !== before && now !== '0' && (await property('ActiveState')) === 'active';
    });
    await inside('echo nonsense: 1 >>/etc/postern/postern.yaml');
    await assert.rejects(inside('systemctl restart postern'));
    assert.equal(await property('ActiveState'), 'failed');
    assert.equal(await property('ExecMainStatus'), '78');
    await inside('sed --in-place /nonsense/d /etc/postern/postern.yaml && systemctl restart postern');
  });

  test('ends in good order when it is stopped', async () => {
    await inside('systemctl stop postern');
    assert.equal(await property('Result'), 'success');
    assert.equal(await property('ActiveState'), 'inactive');
    assert.match(await journal(), /"event":"stopped"/u);
  });
});
