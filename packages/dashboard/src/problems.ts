/** What went wrong with a question, in words for whoever looks at the page. */
import { ApiError } from '@weighbridge/client';

export function messageOf(error: unknown): string {
  if (error instanceof ApiError && error.status === 401) {
    // The server shows the form instead of the page.
    location.reload();
    return 'Your sign-in has ended.';
  }
  if (error instanceof ApiError) return error.message;
  if (error instanceof DOMException && error.name === 'TimeoutError') return 'The gateway did not answer in time.';
  return 'The gateway cannot be reached.';
}
