import { type UseMutationResult, queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import type { z } from "zod";
import type {
  JobDetailsJson,
  JobEvent as JobEventSchema,
  JobJson,
  JobRequest,
  JobsJson,
} from "../../../src/api/contract/jobs.ts";
import { request } from "./request.ts";

export type Job = z.infer<typeof JobJson>;
export type JobDetails = z.infer<typeof JobDetailsJson>;
export type JobEvent = z.infer<typeof JobEventSchema>;
export type Asked = z.input<typeof JobRequest>;

const part = encodeURIComponent;
const LIVE = 5_000;

export const jobsQuery = (which: { database?: string; state?: string; last?: number } = {}) =>
  queryOptions({
    queryKey: ["jobs", which],
    queryFn: async ({ signal }) => {
      const given = Object.entries(which).map(([name, value]) => [name, String(value)]);
      return await request<z.infer<typeof JobsJson>>("GET", `/api/jobs?${new URLSearchParams(given)}`, {
        signal,
      });
    },
    refetchInterval: LIVE,
  });

export const jobQuery = (id: string) =>
  queryOptions({
    queryKey: ["job", id],
    queryFn: async ({ signal }) => await request<JobDetails>("GET", `/api/jobs/${part(id)}`, { signal }),
  });

/**
 * Starts a job. What it changes is asked for again when it ends (`useJobEvents`). A click that comes while another is on its way, as
 * the second of a double one does, is the same wish: both get the one job.
 */
export function useStartJob(): UseMutationResult<Job, Error, Asked> {
  const client = useQueryClient();
  const sent = useRef<Promise<Job>>(undefined);
  return useMutation({
    mutationFn: async (body: Asked) => {
      sent.current ??= request<Job>("POST", "/api/jobs", { body }).finally(() => {
        sent.current = undefined;
      });
      return await sent.current;
    },
    onSuccess: () => void client.invalidateQueries({ queryKey: ["jobs"] }),
  });
}

export function useCancelJob(): UseMutationResult<Job, Error, string> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (id: string) => await request<Job>("DELETE", `/api/jobs/${part(id)}`),
    onSettled: (_job, _error, id) => void client.invalidateQueries({ queryKey: ["job", id] }),
  });
}

/**
 * What a job says, while it says it, from its beginning; a connection that was lost goes on where it was. When the job ends,
 * whatever else is shown is asked for again, since it may be otherwise now.
 */
export function useJobEvents(id: string): readonly JobEvent[] {
  const [events, setEvents] = useState<readonly JobEvent[]>([]);
  const client = useQueryClient();
  useEffect(() => {
    setEvents([]);
    let last = -1;
    const source = new EventSource(`/api/jobs/${part(id)}/events`);
    const hear = ({ data }: MessageEvent<string>): void => {
      const event = JSON.parse(data) as JobEvent;
      // A server that was started again may say some of it twice.
      if (event.seq <= last) return;
      last = event.seq;
      setEvents((before) => [...before, event]);
      if (event.kind !== "state" || event.state === "running") return;
      source.close();
      void client.invalidateQueries();
    };
    source.addEventListener("message", hear);
    return () => source.close();
  }, [id, client]);
  return events;
}
