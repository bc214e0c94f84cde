/**
 * For plugins with a browser application: the folder of its built files and the policy of its pages.
 *
 * Invariants: a page runs only scripts of this server, and markup reaches the document only through DOMPurify (Trusted
 * Types).
 */
import { builtFolder } from './assets.ts'

/** React Aria inserts one inline style sheet (react-aria-components 1.22.1); a test catches its next change. */
const ARIA_STYLE = "'sha256-38RhXrc7EdReTKsOm23ZPOCUgniTUUcjky8QOOrQx6o='"

/** The Content-Security-Policy of an application's page. */
export const APPLICATION_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  `style-src 'self' ${ARIA_STYLE}`,
  // A quoted message keeps its style attributes in the editor, whose box lets none of them leave it.
  "style-src-attr 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "frame-src 'self'",
  "worker-src 'self'",
  "manifest-src 'self'",
  "font-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types dompurify iems',
].join('; ')

/**
 * The folder with the built files of an application, such as `mail`. The package has them; in a checkout the first call
 * builds them, and further ones find them in the cache. Throws when they can be neither found nor built.
 */
export const applicationFolder = (name: string): (() => Promise<string>) => {
  let folder: Promise<string> | undefined
  return () => {
    folder ??= builtFolder(name).catch((cause: unknown) => {
      folder = undefined
      throw cause
    })
    return folder
  }
}
