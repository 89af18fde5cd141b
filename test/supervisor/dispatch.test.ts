// Which worker gets a connection, who waits for how long, and who is put off.
import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { Dispatch, type Recipient } from '../../src/supervisor/dispatch.ts';
import type { Door } from '../../src/supervisor/doors.ts';
import type { Place } from '../../src/supervisor/messages.ts';

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => mock.timers.reset());

/** A worker that takes what it is handed, and can do so again when it is told. */
class FakeWorker implements Recipient {
  free = true;
  readonly handed: { readonly listener: string; readonly socket: Socket; readonly place: Place }[] = [];
  readonly #before: Readonly<Record<string, number>>;

  /** @param before connections that it has, by listener */
  constructor(before: Readonly<Record<string, number>> = {}) {
    this.#before = before;
  }

  get connections(): number {
    return this.handed.length + Object.values(this.#before).reduce((sum, count) => sum + count, 0);
  }

  connectionsOf(listener: string): number {
    const handed = this.handed.filter((each) => each.listener === listener && each.place !== 'none');
    return handed.length + (this.#before[listener] ?? 0);
  }

  hand(listener: string, socket: Socket, place: Place): void {
    this.free = false;
    this.handed.push({ listener, socket, place });
  }
}

type OpenDoor = { -readonly [Key in keyof Door]: Door[Key] };

const doorOf = (listener: string, state: Door['state'] = 'open'): OpenDoor => ({ listener, state });

/** A dispatch with what it has put off. */
function dispatchTo(
  workers: readonly FakeWorker[],
  { room = () => 2, stranger = new Set<Socket>() }: { room?: () => number; stranger?: Set<Socket> } = {},
) {
  const putOff: { readonly socket: Socket; readonly reason: string }[] = [];
  const dispatch = new Dispatch({
    workers: () => workers,
    places: { mayConnect: (_, socket) => !stranger.has(socket), room },
    putOff: (_, socket, reason) => putOff.push({ socket, reason }),
  });
  return { dispatch, putOff };
}

/** So many connections come. */
function arrive(dispatch: Dispatch, door: Door, count = 1): Socket[] {
  const sockets = Array.from({ length: count }, () => new Socket());
  for (const socket of sockets) dispatch.offer(door, socket);
  return sockets;
}

test('a connection goes to the worker that has the fewest of its listener, then to the one that has the fewest', () => {
  const [one, two, three] = [
    new FakeWorker({ here: 2, there: 0 }),
    new FakeWorker({ here: 1, there: 9 }),
    new FakeWorker({ here: 1, there: 8 }),
  ];
  const { dispatch } = dispatchTo([one, two, three]);
  arrive(dispatch, doorOf('here'));
  assert.deepEqual([one.handed.length, two.handed.length, three.handed.length], [0, 0, 1]);
});

test('every listener is divided evenly among the workers, in whatever order its connections come', () => {
  const workers = [new FakeWorker(), new FakeWorker()];
  const { dispatch } = dispatchTo(workers);
  const [one, other] = [doorOf('one'), doorOf('other')];
  for (const door of [one, other, one, one, other, one, one, other, one, other]) {
    arrive(dispatch, door);
    for (const worker of workers) worker.free = true;
  }
  for (const worker of workers) {
    assert.deepEqual([worker.connectionsOf('one'), worker.connectionsOf('other')], [3, 2]);
  }
});

test('who waits for a worker gets the next one that is free, and is put off after 20 s', () => {
  const worker = new FakeWorker();
  worker.free = false;
  const { dispatch, putOff } = dispatchTo([worker]);
  const [first, second] = arrive(dispatch, doorOf('in'), 2);
  mock.timers.tick(19_999);
  assert.deepEqual([worker.handed, putOff], [[], []]);
  worker.free = true;
  dispatch.serve();
  assert.deepEqual(worker.handed, [{ listener: 'in', socket: first, place: 'one' }]);
  mock.timers.tick(1);
  assert.deepEqual(putOff, [{ socket: second, reason: 'no_worker' }]);
  worker.free = true;
  dispatch.serve();
  assert.equal(worker.handed.length, 1);
});

test('who comes when a worker is free again does not overtake who waits', () => {
  const worker = new FakeWorker();
  worker.free = false;
  const { dispatch } = dispatchTo([worker]);
  const door = doorOf('in');
  const [first] = arrive(dispatch, door);
  worker.free = true;
  arrive(dispatch, door);
  assert.equal(worker.handed[0]?.socket, first);
});

test('a thousand may wait at a door, more are put off at once; another door has room of its own', () => {
  const { dispatch, putOff } = dispatchTo([]);
  const sockets = arrive(dispatch, doorOf('other'), 1000);
  const door = doorOf('in');
  sockets.push(...arrive(dispatch, door, 1000));
  assert.deepEqual(putOff, []);
  const [surplus] = arrive(dispatch, door);
  assert.deepEqual(putOff, [{ socket: surplus, reason: 'too_many_waiting' }]);
  dispatch.close();
  assert.deepEqual(
    putOff.slice(1),
    sockets.map((socket) => ({ socket, reason: 'closing' })),
  );
});

test('those who may not connect take none of the places, and are refused by a worker', () => {
  const worker = new FakeWorker();
  worker.free = false;
  const stranger = new Set(Array.from({ length: 101 }, () => new Socket()));
  const { dispatch, putOff } = dispatchTo([worker], { stranger });
  const door = doorOf('in');
  for (const socket of stranger) dispatch.offer(door, socket);
  assert.deepEqual(putOff, [{ socket: [...stranger][100], reason: 'too_many_waiting' }]);
  arrive(dispatch, door, 1000);
  assert.equal(putOff.length, 1);
  for (let i = 0; i < 4; i += 1) {
    worker.free = true;
    dispatch.serve();
  }
  // By turns: nobody who floods one queue holds up the other.
  assert.deepEqual(
    worker.handed.map(({ place }) => place === 'none'),
    [true, false, true, false],
  );
  dispatch.close();
});

test('a crowd at one door does not hold up another door', () => {
  const worker = new FakeWorker();
  worker.free = false;
  const { dispatch } = dispatchTo([worker]);
  arrive(dispatch, doorOf('crowded'), 100);
  arrive(dispatch, doorOf('quiet'), 1);
  for (let i = 0; i < 2; i += 1) {
    worker.free = true;
    dispatch.serve();
  }
  assert.deepEqual(
    worker.handed.map(({ listener }) => listener),
    ['crowded', 'quiet'],
  );
  dispatch.close();
});

test('above the limit a connection waits a moment for a place, and is handed over to be refused then', () => {
  let room = 0;
  const workers = [new FakeWorker(), new FakeWorker()];
  const { dispatch } = dispatchTo(workers, { room: () => room });
  const door = doorOf('in');
  const [early] = arrive(dispatch, door);
  mock.timers.tick(199);
  assert.equal(workers[0]?.handed.length, 0);
  room = 1;
  dispatch.serve();
  assert.deepEqual(workers[0]?.handed, [{ listener: 'in', socket: early, place: 'last' }]);
  room = 0;
  const [late] = arrive(dispatch, door);
  mock.timers.tick(200);
  assert.deepEqual(workers[1]?.handed, [{ listener: 'in', socket: late, place: 'none' }]);
});

test('a crowd above the limit waits a moment together, not each for the one before', () => {
  const worker = new FakeWorker();
  const { dispatch, putOff } = dispatchTo([worker], { room: () => 0 });
  const crowd = arrive(dispatch, doorOf('in'), 3);
  mock.timers.tick(200);
  for (let i = 0; i < 2; i += 1) {
    worker.free = true;
    dispatch.serve();
  }
  assert.deepEqual(
    worker.handed,
    crowd.map((socket) => ({ listener: 'in', socket, place: 'none' })),
  );
  assert.deepEqual(putOff, []);
});

test('at a door that is not open yet connections wait, at a closed one they are put off', () => {
  const worker = new FakeWorker();
  const { dispatch, putOff } = dispatchTo([worker]);
  const door = doorOf('in', 'waiting');
  arrive(dispatch, door);
  assert.deepEqual([worker.handed, putOff], [[], []]);
  door.state = 'closed';
  dispatch.serve();
  arrive(dispatch, door);
  assert.deepEqual(
    putOff.map(({ reason }) => reason),
    ['closing', 'closing'],
  );
  mock.timers.tick(20_000);
  assert.equal(putOff.length, 2, 'nobody is put off twice');
  assert.deepEqual(worker.handed, []);
});
