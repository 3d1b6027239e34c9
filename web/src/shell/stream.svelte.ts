// The tab's one stream of events from the program: who waits for which job, and what happens when the program goes away
// and comes back.

import { api, Away, tab, type Job } from "../api";

/** Told of each change of a job; of nothing when the program came back without it. */
export type Listener = (job: Job | null) => void;

/** Between attempts that the browser does not make by itself. */
const RETRY = 3000;
const SOON = 1000;

export const finished = (job: Job) => job.state === "done" || job.state === "failed" || job.state === "cancelled";

/** Numbers of jobs begin anew with every start of the program. */
const identity = (job: Job) => `${job.id} ${job.key}`;

export class Stream {
  online = $state(true);
  /** Why the program does not let this page in; nothing while it does. */
  refused = $state<string | null>(null);
  private source: EventSource | null = null;
  private broken = false;
  private readonly listeners = new Map<string, Set<Listener>>();
  /** Events that came before the answer that told the job's id. */
  private readonly early = new Map<string, Job>();
  private readonly returns = new Set<() => void>();

  start(): void {
    if (this.source) return;
    const source = new EventSource(`/api/events?tab=${encodeURIComponent(tab)}`);
    this.source = source;
    source.addEventListener("job", (event) => {
      try {
        this.tell(JSON.parse((event as MessageEvent<string>).data) as Job);
      } catch {
        // A broken event is made up for by the next one.
      }
    });
    source.onopen = () => {
      this.online = true;
      this.refused = null;
      if (this.broken) void this.catchUp();
      this.broken = false;
    };
    source.onerror = () => {
      this.online = false;
      this.broken = true;
      // A stream that the server refused is not tried again by the browser.
      if (source.readyState === EventSource.CLOSED) {
        this.source = null;
        void this.whyRefused();
        setTimeout(() => this.start(), RETRY);
      }
    };
  }

  private async whyRefused(): Promise<void> {
    try {
      await api.jobs();
    } catch (error) {
      this.refused = error instanceof Away && error.status === 401 ? error.message : null;
    }
  }

  tell(job: Job): void {
    const waiting = this.listeners.get(identity(job));
    if (!waiting) {
      this.early.set(identity(job), job);
      if (this.early.size > 200) this.early.delete(this.early.keys().next().value as string);
      return;
    }
    for (const listener of [...waiting]) listener(job);
  }

  /** What happened while the stream was away. Jobs that the program no longer knows ended with it. */
  private async catchUp(): Promise<void> {
    const waited = [...this.listeners.keys()];
    try {
      const known = waited.length ? await api.jobs() : [];
      this.early.clear();
      for (const job of known) this.tell(job);
      const there = new Set(known.map(identity));
      for (const id of waited) {
        if (!there.has(id)) for (const listener of [...(this.listeners.get(id) ?? [])]) listener(null);
      }
      for (const back of [...this.returns]) back();
    } catch {
      // It went away again; the stream says so by itself.
    }
  }

  listen(job: Job, listener: Listener): () => void {
    const id = identity(job);
    const waiting = this.listeners.get(id) ?? new Set();
    waiting.add(listener);
    this.listeners.set(id, waiting);
    const early = this.early.get(id);
    this.early.delete(id);
    listener(early && !finished(job) ? early : job);
    return () => {
      waiting.delete(listener);
      if (waiting.size === 0) this.listeners.delete(id);
    };
  }

  waited(job: Job): boolean {
    return this.listeners.has(identity(job));
  }

  /** Calls a function each time that the program is back. */
  onBack(fn: () => void): () => void {
    this.returns.add(fn);
    return () => void this.returns.delete(fn);
  }

  /** Waits until the program is back; a moment, if the stream has not noticed yet that it is gone. */
  private back(): Promise<void> {
    return new Promise((resolve) => {
      const leave = this.onBack(() => {
        leave();
        resolve();
      });
      setTimeout(() => {
        if (!this.online) return;
        leave();
        resolve();
      }, SOON);
    });
  }

  /** Does something, and again after each break, until the program answers. */
  async through<T>(make: () => Promise<T>, onaway?: () => void): Promise<T> {
    for (;;) {
      try {
        return await make();
      } catch (error) {
        if (!(error instanceof Away)) throw error;
        onaway?.();
        await this.back();
      }
    }
  }
}

export const stream = new Stream();
