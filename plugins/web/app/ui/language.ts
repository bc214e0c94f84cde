/**
 * The language of the page: the browser's or the person's choice. English is the fallback of every text.
 */
import i18next from 'i18next'

export const LANGUAGES = [
  ['en', 'English'],
  ['de', 'Deutsch'],
] as const
export type Language = (typeof LANGUAGES)[number][0]

const KEPT = 'iems-language'
export type Catalogue = Readonly<Record<string, string>>

const isKnown = (code: string | null | undefined): code is Language => LANGUAGES.some(([known]) => known === code)

function chosenLanguage(): Language {
  const kept = localStorage.getItem(KEPT)
  if (isKnown(kept)) return kept
  return navigator.languages.map((one) => one.slice(0, 2)).find(isKnown) ?? 'en'
}

/** Takes the texts of an application; further languages come when they are chosen. */
export async function startLanguage(load: Readonly<Record<Language, () => Promise<Catalogue>>>): Promise<void> {
  const language = chosenLanguage()
  const [fallback, chosen] = await Promise.all([load.en(), load[language]()])
  await i18next.init({
    lng: language,
    fallbackLng: 'en',
    keySeparator: false,
    nsSeparator: false,
    interpolation: { escapeValue: false },
    resources: { en: { translation: fallback }, [language]: { translation: chosen } },
  })
  document.documentElement.lang = language
  document.documentElement.dir = i18next.dir(language)
}

/** The choice holds from the next load of the page. */
export function chooseLanguage(language: Language): void {
  localStorage.setItem(KEPT, language)
  location.reload()
}

/** The languages, as entries of a menu. */
export const languageEntries = () =>
  LANGUAGES.map(([code, name], index) => ({
    id: code,
    label: name,
    checked: language() === code,
    isFirstOfGroup: index === 0,
    run: () => chooseLanguage(code),
  }))

export const t = (key: string, values?: Readonly<Record<string, unknown>>): string =>
  values === undefined ? i18next.t(key) : i18next.t(key, values)

export const language = (): string => i18next.language

/** The language with the region that the browser names for it: how times and numbers are written. */
export const locale = (): string => navigator.languages.find((one) => one.startsWith(language())) ?? language()
