/** The error body of our own doors: OpenAI's shape, which OpenClaw also answers in. */

export interface ErrorBody {
  error: { message: string; type: string; code: string | null; param: string | null };
}
