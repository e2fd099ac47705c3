/** What a message holds: text, pictures, sound, documents. Files of OpenAI's own store cannot be reached by others. */
import { isObject } from '../../lib/json-object.ts';
import { type Json, objectIn } from '../parsed.ts';
import { refuse, refuseForm } from './refusing.ts';

export interface TextPart {
  kind: 'text';
  text: string;
  /** Anthropic's mark where a cache may end, which other gateways take in chat completions too. */
  cacheControl: Json | null;
}

export type Part =
  | TextPart
  | {
      kind: 'blob';
      of: 'image' | 'audio' | 'file';
      mime: string;
      base64: string;
      at: string;
      cacheControl: Json | null;
    }
  | { kind: 'imageUrl'; url: string; at: string; cacheControl: Json | null };

const DATA_URL = /^data:([^;,]+);base64,/;

export function readParts(content: unknown, at: string): Part[] {
  if (typeof content === 'string') return content === '' ? [] : [{ kind: 'text', text: content, cacheControl: null }];
  if (!Array.isArray(content)) return refuseForm(at, 'a text or a list of parts');
  return content
    .map((part: unknown, index) => readPart(part, `${at}[${index}]`))
    .filter((part) => part.kind !== 'text' || part.text !== '');
}

function readPart(part: unknown, at: string): Part {
  if (!isObject(part)) return refuseForm(at, 'an object');
  const cacheControl = objectIn(part, 'cache_control');
  switch (part.type) {
    case 'text':
    case 'refusal': {
      const text = part[part.type];
      return typeof text === 'string'
        ? { kind: 'text', text, cacheControl }
        : refuseForm(`${at}.${part.type}`, 'a text');
    }
    case 'image_url':
      return readImage(objectIn(part, 'image_url')?.url ?? part.image_url, `${at}.image_url.url`, cacheControl);
    case 'input_audio': {
      const { data, format } = objectIn(part, 'input_audio') ?? {};
      if (typeof data !== 'string' || typeof format !== 'string')
        return refuseForm(`${at}.input_audio`, 'data and format');
      return { kind: 'blob', of: 'audio', mime: `audio/${format}`, base64: data, at, cacheControl };
    }
    case 'file':
      return readFile(objectIn(part, 'file')?.file_data, `${at}.file`, cacheControl);
    default:
      return refuse(`${at}.type`, 'cannot be translated for this provider.');
  }
}

function readImage(url: unknown, at: string, cacheControl: Json | null): Part {
  if (typeof url !== 'string') return refuseForm(at, 'a URL');
  const mime = DATA_URL.exec(url);
  if (mime !== null)
    return { kind: 'blob', of: 'image', mime: mime[1]!, base64: url.slice(mime[0].length), at, cacheControl };
  return /^https?:/i.test(url)
    ? { kind: 'imageUrl', url, at, cacheControl }
    : refuseForm(at, 'an http(s) or a base64 data URL');
}

function readFile(given: unknown, at: string, cacheControl: Json | null): Part {
  const mime = typeof given === 'string' ? DATA_URL.exec(given) : null;
  if (mime === null) return refuse(`${at}.file_data`, 'must hold the file itself, as a base64 data URL.');
  return {
    kind: 'blob',
    of: 'file',
    mime: mime[1]!,
    base64: (given as string).slice(mime[0].length),
    at,
    cacheControl,
  };
}
