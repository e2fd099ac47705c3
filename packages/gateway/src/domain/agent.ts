/** A named configuration: which model, which fallbacks, which instructions. Model references are `provider/model`. */

export interface Agent {
  id: string;
  model: string;
  fallbacks: readonly string[];
  instructions: string | null;
}

/** Ids that would collide with keys we make ourselves (design, semantics 5). */
export const RESERVED_NAMES = ['openclaw', 'agent', 'direct', 'demo', 'proxy'] as const;
