// Questions put to the program: jobs shared by key, answers kept.

import { api, type Artifact, type Ask, type Job, Refusal } from "../api";
import { finished, stream } from "./stream.svelte";

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

/** Ends a job that nobody here waits for. While the program is away its number may already be another job's. */
function cancel(job: Job): void {
  if (!finished(job) && stream.online && !stream.waited(job)) void api.cancel(job.id).catch(() => undefined);
}

/** Thrown where a question has been put off by a later one. */
class Stale extends Error {}

/** One slot of a view: the last question and its answer. Answers to earlier questions are dropped. */
export class Question {
  job = $state.raw<Job | null>(null);
  artifact = $state.raw<Artifact | null>(null);
  error = $state<string | null>(null);
  cancelled = $state(false);
  busy = $state(false);
  /** The program went away; this is asked again when it is back. */
  lost = $state(false);
  private round = 0;
  private leave: (() => void) | null = null;

  async ask(ask: Ask): Promise<void> {
    this.release();
    const round = (this.round += 1);
    this.error = null;
    this.cancelled = false;
    this.busy = true;
    this.lost = false;
    this.job = null;
    try {
      let ended: Job | null = null;
      while (!ended) {
        ended = await this.ended(ask, round);
        this.check(round);
      }
      const { state, key, error } = ended;
      if (state === "failed") throw new Refusal(error ?? "The question failed.", 0);
      if (state === "cancelled") this.cancelled = true;
      else this.artifact = await this.reach(() => artifact(key), round);
      this.busy = false;
    } catch (error) {
      if (error instanceof Stale) return;
      this.error = error instanceof Error ? error.message : String(error);
      this.busy = false;
    }
  }

  private check(round: number): void {
    if (round !== this.round) throw new Stale();
  }

  /** Asks the program for something, whenever it is there. */
  private async reach<T>(make: () => Promise<T>, round: number): Promise<T> {
    const away = () => {
      this.check(round);
      this.lost = true;
      this.job = null;
    };
    const found = await stream.through(() => {
      this.check(round);
      return make();
    }, away);
    this.check(round);
    this.lost = false;
    return found;
  }

  /** The job of a question when it has ended; nothing if the program was started anew meanwhile. */
  private async ended(ask: Ask, round: number): Promise<Job | null> {
    const post = async () => {
      const job = await api.ask(ask);
      if (round !== this.round) cancel(job);
      return job;
    };
    const job = await this.reach(post, round);
    return new Promise((resolve) => {
      const stop = stream.listen(job, (now) => {
        if (round === this.round) this.job = now;
        if (now === null || finished(now)) {
          // `stop` is not there yet when the job was done at once.
          queueMicrotask(() => stop());
          resolve(now);
        }
      });
      this.leave = stop;
    });
  }

  /** Stops waiting; a job that nobody else waits for is cancelled. */
  private release(): void {
    this.leave?.();
    this.leave = null;
    if (this.busy && this.job) cancel(this.job);
  }

  cancel(): void {
    this.round += 1;
    this.release();
    this.busy = false;
    this.lost = false;
    this.cancelled = true;
  }

  clear(): void {
    this.round += 1;
    this.release();
    this.busy = false;
    this.lost = false;
    this.error = null;
    this.cancelled = false;
    this.artifact = null;
    this.job = null;
  }
}
