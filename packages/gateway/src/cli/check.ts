/** What `doctor` finds: one check, its verdict, and how the verdicts are shown. Looking is in the files beside this. */

/** `note`: worth knowing, nothing to do. Only a failure changes the exit code. */
export type Verdict = 'ok' | 'note' | 'warning' | 'failure';

export interface Check {
  subject: string;
  verdict: Verdict;
  text: string;
}

const MARKS: Readonly<Record<Verdict, string>> = {
  ok: 'ok      ',
  note: '        ',
  warning: 'warning ',
  failure: 'FAILURE ',
};

export function checksText(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ subject }) => subject.length));
  return checks.map(({ subject, verdict, text }) => `${MARKS[verdict]}${subject.padEnd(width)}  ${text}\n`).join('');
}

export function bytesText(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  const step = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  return `${step === 0 ? bytes : (bytes / 1000 ** step).toFixed(1)} ${units[step]}`;
}
