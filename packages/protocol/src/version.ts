/** Versions of what travels on the wire; a change of shape needs a new line in CHANGELOG.md. */
export const WEIGHBRIDGE_VERSION = '0.1.0';
