// Questions put to the server: one stream of events for the tab, jobs shared by key, answers kept.

import { api, tab, type Artifact, type Ask, type Job, Refusal } from "../api";

type Listener = (job: Job) => void;

const finished = (job: Job) => job.state === "done" || job.state === "failed" || job.state === "cancelled";

/** The stream of events of this tab, and who waits for which job. */
class Stream {
  online = $state(true);
  private source: EventSource | null = null;
  private readonly listeners = new Map<string, Set<Listener>>();
  /** Events that came before the answer that told the job's id. */
  private readonly early = new Map<string, Job>();

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
      void this.catchUp();
    };
    source.onerror = () => {
      this.online = false;
      // A stream that the server refused is not tried again by the browser.
      if (source.readyState === EventSource.CLOSED) {
        this.source = null;
        setTimeout(() => this.start(), 3000);
      }
    };
  }

  tell(job: Job): void {
    const waiting = this.listeners.get(job.id);
    if (!waiting) {
      this.early.set(job.id, job);
      if (this.early.size > 200) this.early.delete(this.early.keys().next().value as string);
      return;
    }
    for (const listener of [...waiting]) listener(job);
  }

  /** What happened while the stream was away. */
  private async catchUp(): Promise<void> {
    if (this.listeners.size === 0) return;
    try {
      for (const job of await api.jobs()) this.tell(job);
    } catch {
      // The stream says so by itself.
    }
  }

  listen(job: Job, listener: Listener): () => void {
    const waiting = this.listeners.get(job.id) ?? new Set();
    waiting.add(listener);
    this.listeners.set(job.id, waiting);
    const early = this.early.get(job.id);
    this.early.delete(job.id);
    listener(early && !finished(job) ? early : job);
    return () => {
      waiting.delete(listener);
      if (waiting.size === 0) this.listeners.delete(job.id);
    };
  }

  waited(id: string): boolean {
    return this.listeners.has(id);
  }
}

export const stream = new Stream();

const kept = new Map<string, Promise<Artifact>>();

/** Artifacts never change, so each is fetched once; the last hundred are kept. */
function artifact(key: string): Promise<Artifact> {
  const found = kept.get(key);
  if (found) return found;
  const coming = api.artifact(key);
  kept.set(key, coming);
  coming.catch(() => kept.delete(key));
  if (kept.size > 100) kept.delete(kept.keys().next().value as string);
  return coming;
}

/** One slot of a view: the last question and its answer. Answers to earlier questions are dropped. */
export class Question {
  job = $state.raw<Job | null>(null);
  artifact = $state.raw<Artifact | null>(null);
  error = $state<string | null>(null);
  cancelled = $state(false);
  busy = $state(false);
  /** The program went away with the job; it is asked again when it is back. */
  lost = $state(false);
  private round = 0;
  private leave: (() => void) | null = null;

  async ask(ask: Ask): Promise<void> {
    this.release();
    const round = (this.round += 1);
    const stale = () => round !== this.round;
    this.error = null;
    this.cancelled = false;
    this.busy = true;
    this.job = null;
    try {
      const job = await api.ask(ask);
      if (stale()) {
        if (!finished(job) && !stream.waited(job.id)) void api.cancel(job.id).catch(() => undefined);
        return;
      }
      const last = await new Promise<Job>((resolve) => {
        const stop = stream.listen(job, (now) => {
          if (!stale()) this.job = now;
          if (finished(now)) {
            // `stop` is not there yet when the job was done at once.
            queueMicrotask(() => stop());
            resolve(now);
          }
        });
        this.leave = stop;
      });
      if (stale()) return;
      if (last.state === "failed") throw new Refusal(last.error ?? "The question failed.", 0);
      if (last.state === "cancelled") {
        this.cancelled = true;
        this.busy = false;
        return;
      }
      const found = await artifact(last.key);
      if (stale()) return;
      this.artifact = found;
      this.busy = false;
    } catch (error) {
      if (stale()) return;
      this.error = error instanceof Error ? error.message : String(error);
      this.busy = false;
    }
  }

  /** Stops waiting; a job that nobody else waits for is cancelled. */
  private release(): void {
    this.leave?.();
    this.leave = null;
    const job = this.job;
    if (this.busy && job && !finished(job) && !stream.waited(job.id)) void api.cancel(job.id).catch(() => undefined);
  }

  cancel(): void {
    this.round += 1;
    this.release();
    this.busy = false;
    this.cancelled = true;
  }

  clear(): void {
    this.round += 1;
    this.release();
    this.busy = false;
    this.error = null;
    this.cancelled = false;
    this.artifact = null;
    this.job = null;
  }
}
