// The type of a part of mailauth that has none of its own.
declare module 'mailauth/lib/bimi/validate-svg.js' {
  /** @throws {Error} for what is no SVG Tiny PS */
  export function validateSvg(logo: Buffer): true;
}
