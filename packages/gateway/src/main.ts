#!/usr/bin/env node
/**
 * The program. It asks for the compile cache before anything is loaded, refuses a Node that is too old, and hands over
 * to the verbs in cli/. Everything is imported after those two, so nothing heavy may be imported statically here.
 */
import * as nodeModule from 'node:module';

// Not in every Node that gets this far, and the refusal below must still be readable there.
nodeModule.enableCompileCache?.();

const NODE_MAJOR_MIN = 24;

if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
  process.stderr.write(
    `weighbridge needs Node ${NODE_MAJOR_MIN} or newer, this is ${process.version}. In its own folder \`npm ci\` brings the right one ` +
      'for Linux and Windows, and `npm start` uses it; elsewhere install it from https://nodejs.org.\n',
  );
  process.exit(1);
}

// A reader that goes away (`| head`, a log collector that restarts) must end a verb quietly and a gateway not at all.
process.stdout.on('error', () => process.exit());
process.stderr.on('error', () => {});

const { runCli } = await import('./cli/program.ts');
process.exitCode = await runCli(process.argv.slice(2), {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  write: (text) => new Promise((resolve) => void process.stdout.write(text, () => resolve())),
  isTerminal: process.stdout.isTTY === true,
  stderrIsTerminal: process.stderr.isTTY === true,
  variables: process.env,
  onInterrupt: (listener) => void process.once('SIGINT', listener),
  // The roof is above the verbs: they get it from here.
  startGateway: async (loaded, request) => {
    const { startGateway } = await import('./gateway.ts');
    return startGateway(loaded.config, loaded.secrets, { origin: { loaded, request } });
  },
});
