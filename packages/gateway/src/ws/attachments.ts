/**
 * What clients attach to a message, as parts of a chat completion: images as they are, texts as text. Anything else is
 * refused by its kind: a model that never sees a file must not be asked about it. Pure.
 */
import { invalid } from './wire-errors.ts';

interface Attachment {
  type?: unknown;
  mimeType?: unknown;
  fileName?: unknown;
  content?: unknown;
}

const MAX = 32;

export function partsOf(attachments: readonly unknown[] | undefined): object[] {
  if (attachments === undefined || attachments.length === 0) return [];
  if (attachments.length > MAX) throw invalid(`more than ${MAX} attachments; send fewer`);
  return attachments.map((given, at) => partOf(given as Attachment, at));
}

function partOf({ mimeType, content, fileName }: Attachment, at: number): object {
  if (typeof content !== 'string' || typeof mimeType !== 'string') {
    throw invalid(`attachment ${at + 1} must have a mimeType and its content as base64`);
  }
  const base64 = content.replace(/^data:[^,]{0,200},/, '');
  if (mimeType.startsWith('image/')) {
    return { type: 'image_url', image_url: { url: `data:${mimeType};base64,${base64}` } };
  }
  if (mimeType.startsWith('text/') || mimeType === 'application/json') {
    const text = Buffer.from(base64, 'base64').toString('utf8');
    return { type: 'text', text: typeof fileName === 'string' ? `[${fileName}]\n${text}` : text };
  }
  throw invalid(`attachment ${at + 1} is ${mimeType.slice(0, 80)}; images and texts can be sent`);
}
