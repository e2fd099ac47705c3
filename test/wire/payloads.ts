/** What the turns' answers and events hold, as far as tests look at it. */

export interface RunUsage {
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
  total: number;
  cost?: { total: number };
}

export interface AgentFinal {
  runId: string;
  status: string;
  summary: string;
  result: {
    payloads: { text: string }[];
    meta: { aborted: boolean; stopReason: string; agentMeta: { sessionId: string; usage: RunUsage; model: string } };
  };
}

export interface ChatPayload {
  runId: string;
  sessionKey: string;
  state: string;
  seq: number;
  deltaText: string;
  usage?: RunUsage;
  message: { content: { text: string }[] };
}

export interface AgentPayload {
  runId: string;
  stream: string;
  data: { phase?: string; text?: string; delta?: string; usage?: RunUsage; aborted?: boolean };
}
