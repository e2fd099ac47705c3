/**
 * The house rules as pure functions over source files: which room may import which, and the tidy rules. Each violation
 * is a sentence that says what is wrong and the usual cure. order.test.ts runs them, and proves each on a bad sample.
 */
import { posix } from 'node:path';
import { importsOf, type SourceFile, withoutComments, withoutStrings } from './source.ts';

const FLOORS: Readonly<Record<string, number>> = {
  lib: 0,
  domain: 1,
  store: 1,
  config: 1,
  events: 2,
  access: 3,
  sessions: 3,
  providers: 3,
  prices: 3,
  ledger: 3,
  webhooks: 3,
  plugins: 3,
  dispatch: 4,
  runs: 5,
  http: 6,
  ws: 6,
  cli: 7,
};
/** `gateway.ts` stands above every room and knows them all, `wiring.ts` helps it; `main.ts` hands it to the verbs. */
const ROOF = 9;
const ABOVE_THE_ROOF = 'main.ts';
const BELOW_THE_ROOF = 'wiring.ts';
/** Floor 1's one inner step: domain is the nouns, and the engines and the options speak of them. */
const DOMAIN_READERS = new Set(['store', 'config']);
const PACKAGE_MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  client: ['@weighbridge/protocol'],
  gateway: ['@weighbridge/protocol', '@weighbridge/client'],
  'openclaw-plugin': ['@weighbridge/protocol', '@weighbridge/client'],
  dashboard: ['@weighbridge/protocol', '@weighbridge/client'],
  otel: ['@weighbridge/protocol'],
};
/** The only files that may open sockets outward. */
const SOCKET_OPENERS = ['dispatch/upstream.ts', 'webhooks/sender.ts'];
/** The CLI asks the running gateway over fetch; it and the doors may use Node's server types, nothing that connects. */
const SOCKET_MODULES = new Set([
  'undici',
  'node:net',
  'node:tls',
  'node:http',
  'node:https',
  'node:http2',
  'node:dgram',
]);
const SERVER_ROOMS = new Set(['http', 'ws']);

const BANNED_WORDS = [
  'utils',
  'util',
  'helper',
  'helpers',
  'service',
  'services',
  'manager',
  'managers',
  'handle',
  'data',
];
const BANNED_ENDINGS = /(?:Utils?|Helpers?|Services?|Managers?)$/;
const LINES_MAX = 400;

const GATEWAY_SRC = 'packages/gateway/src/';

export function allViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => [
    ...orderViolations(file),
    ...packageViolations(file),
    ...socketViolations(file),
    ...nameViolations(file),
    ...tidyViolations(file),
  ]);
}

/** Rooms import lower floors only: never a neighbour, never upward, types included. */
export function orderViolations(file: SourceFile): string[] {
  if (!file.path.startsWith(GATEWAY_SRC)) return [];
  const room = roomOf(file.path);
  const floor = floorOf(room);
  if (floor === null) return [`${file.path}: room '${room}' has no floor; give it one in test/house/rules.ts`];
  return importsOf(file.text).flatMap((specifier) => {
    const other = importedRoom(file.path, specifier);
    if (other === null || other === room) return [];
    const otherFloor = floorOf(other);
    if (otherFloor === null) return [`${file.path}: imports '${specifier}' of room '${other}', which has no floor`];
    if (otherFloor < floor) return [];
    if (other === 'domain' && DOMAIN_READERS.has(room)) return [];
    // A test may use what stands beside its room, to try the room on the real thing.
    if (otherFloor === floor && isTest(file.path)) return [];
    const direction = otherFloor === floor ? 'a neighbour on its own floor' : 'upward';
    return [
      `${file.path}: room '${room}' (floor ${floor}) imports ${direction}: '${specifier}' (floor ${otherFloor}). ` +
        'Cure: the shared noun belongs in domain/, the caller one floor up, or it is an event in the log.',
    ];
  });
}

/** Packages know only what stands below them, and only by name; nothing but tests reaches into test/ or bench/. */
export function packageViolations(file: SourceFile): string[] {
  const own = /^packages\/([^/]+)\//.exec(file.path)?.[1];
  if (own === undefined) return [];
  const allowed = PACKAGE_MAY_IMPORT[own];
  if (allowed === undefined) return [`${file.path}: package '${own}' is unknown to test/house/rules.ts`];
  return importsOf(file.text).flatMap((specifier) => {
    const name = /^(@weighbridge\/[^/]+|weighbridge)(\/|$)/.exec(specifier)?.[1];
    if (name !== undefined && name !== `@weighbridge/${own}` && !allowed.includes(name)) {
      return [`${file.path}: package '${own}' may not import '${specifier}'. Cure: move the shared shape to protocol.`];
    }
    if (!specifier.startsWith('.')) return [];
    const target = resolve(file.path, specifier);
    if (target.startsWith(`packages/${own}/`)) return [];
    if (isTest(file.path) && target.startsWith('test/')) return [];
    return [`${file.path}: '${specifier}' leaves its package. Cure: import the other package by its name.`];
  });
}

/** Only the named files open sockets outward; the doors may use Node's server side. */
export function socketViolations(file: SourceFile): string[] {
  if (!file.path.startsWith(GATEWAY_SRC) || isTest(file.path)) return [];
  const inside = file.path.slice(GATEWAY_SRC.length);
  if (SOCKET_OPENERS.includes(inside)) return [];
  const found: string[] = [];
  for (const specifier of importsOf(file.text)) {
    if (!SOCKET_MODULES.has(specifier) || isTypeOnly(file.text, specifier)) continue;
    if (specifier !== 'undici' && SERVER_ROOMS.has(roomOf(file.path))) continue;
    found.push(
      `${file.path}: imports '${specifier}'. Only ${SOCKET_OPENERS.join(' and ')} open sockets outward. ` +
        'Cure: go through dispatch/upstream.ts (types may be imported with `import type`).',
    );
  }
  if (/(?<![.\w])fetch\s*\(/.test(withoutStrings(file.text)) && roomOf(file.path) !== 'cli') {
    found.push(`${file.path}: calls fetch. Only ${SOCKET_OPENERS.join(' and ')} open sockets outward.`);
  }
  return found;
}

/** Names that say nothing hide what a file is for. */
export function nameViolations(file: SourceFile): string[] {
  const found: string[] = [];
  const name = posix.basename(file.path).replace(/(\.test)?\.tsx?$/, '');
  const cure = 'Cure: name it after what it knows or does.';
  if (name.split(/[-.]/).some((word) => BANNED_WORDS.includes(word.toLowerCase()))) {
    found.push(`${file.path}: the file name says nothing. ${cure}`);
  }
  for (const exported of exportedNames(file.text)) {
    if (BANNED_WORDS.includes(exported.toLowerCase()) || BANNED_ENDINGS.test(exported)) {
      found.push(`${file.path}: the export '${exported}' says nothing. ${cure}`);
    }
  }
  return found;
}

/** Size, the opening comment, `any`, and paths of somebody's machine. */
export function tidyViolations(file: SourceFile): string[] {
  const found: string[] = [];
  const lines = file.text.trimEnd().split('\n').length;
  if (lines >= LINES_MAX) found.push(`${file.path}: ${lines} lines. Cure: split it by what it knows (< ${LINES_MAX}).`);
  if (!/^(#![^\n]*\n)?\s*(\/\*\*|\/\/)/.test(file.text)) {
    found.push(`${file.path}: no opening comment. Cure: say what lives here, what does not, the one thing to know.`);
  }
  const code = withoutStrings(file.text);
  if (/(?::|\bas\b|<|,|\|)\s*any\b(?!\s*[:(.])/.test(code)) {
    found.push(`${file.path}: uses 'any'. Cure: 'unknown', and look at the value before using it.`);
  }
  const machinePath = /['"`(\s](\/(?:work|home|Users|root)\/[\w.-]+)/.exec(file.text);
  if (machinePath !== null) {
    found.push(`${file.path}: names a path of one machine (${machinePath[1]}). Cure: a relative path or an option.`);
  }
  return found;
}

function exportedNames(text: string): string[] {
  const code = withoutStrings(text);
  const declared = code.matchAll(
    /\bexport\s+(?:default\s+)?(?:async\s+)?(?:abstract\s+)?(?:const|let|function\*?|class|interface|type)\s+(\w+)/g,
  );
  const listed = code.matchAll(/\bexport\s+(?:type\s+)?\{([^}]*)\}/g);
  return [
    ...Array.from(declared, (match) => match[1]!),
    ...Array.from(listed, (match) => match[1]!.split(',')).flatMap((names) =>
      names
        .map((name) =>
          name
            .trim()
            .split(/\s+as\s+/)
            .at(-1)!
            .replace(/^type\s+/, ''),
        )
        .filter((name) => name !== ''),
    ),
  ];
}

function isTypeOnly(text: string, specifier: string): boolean {
  const code = withoutComments(text);
  const statements = Array.from(code.matchAll(/\bimport\b([^'"`;()]*?)\bfrom\s*['"]([^'"]+)['"]/g));
  const ofModule = statements.filter((match) => match[2] === specifier);
  return (
    ofModule.length > 0 &&
    ofModule.every((match) => /^\s+type\s/.test(match[1]!)) &&
    !code.includes(`import('${specifier}')`)
  );
}

function importedRoom(path: string, specifier: string): string | null {
  if (!specifier.startsWith('.')) return null;
  const target = resolve(path, specifier);
  return target.startsWith(GATEWAY_SRC) ? roomOf(target) : null;
}

/** The first folder below src, or the file's own name for what stands on the roof. */
function roomOf(path: string): string {
  return path.slice(GATEWAY_SRC.length).split('/')[0]!;
}

function floorOf(room: string): number | null {
  if (room === ABOVE_THE_ROOF) return ROOF + 1;
  if (room === BELOW_THE_ROOF) return ROOF - 1;
  return FLOORS[room] ?? (room.endsWith('.ts') ? ROOF : null);
}

function resolve(from: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(from), specifier));
}

function isTest(path: string): boolean {
  // What only tests import is a test too.
  return /\.(test|fixture)\.ts$/.test(path);
}
