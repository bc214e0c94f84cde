/**
 * The screens: their names in the navigation, and the logins that see them.
 */

import type { IconName } from '../../app/ui/icon.tsx'
import { t } from '../../app/ui/language.ts'
import type { Schema } from './schema-form.tsx'
import type { Me } from './shell.ts'

export interface Place {
  readonly id: string
  readonly title: string
  readonly icon: IconName
  readonly group: '' | 'Manage' | 'System'
  /** A permission. */
  readonly who: string
  /** Shown only where the server has it. */
  readonly feature?: string
  /** Other words by which the palette finds it. */
  readonly words?: string
}

const PLACES: readonly Place[] = [
  { id: 'today', title: t('Today'), icon: 'today', group: '', who: 'status:read', words: 'health problems status' },
  {
    id: 'trace',
    title: t('Trace'),
    icon: 'trace',
    group: '',
    who: 'trace:read',
    words: 'search message delivered why',
  },
  { id: 'queue', title: t('Queue'), icon: 'queue', group: '', who: 'queue:read', words: 'waiting deliveries held' },
  {
    id: 'people',
    title: t('People'),
    icon: 'users',
    group: 'Manage',
    who: 'people:read',
    feature: 'directory',
    words: 'accounts groups aliases users',
  },
  {
    id: 'domains',
    title: t('Domains'),
    icon: 'globe',
    group: 'Manage',
    who: 'domains:read',
    feature: 'directory',
    words: 'dns dkim mx spf',
  },
  {
    id: 'lists',
    title: t('Lists'),
    icon: 'list',
    group: 'Manage',
    who: 'admin',
    feature: 'lists',
    words: 'mailing members',
  },
  {
    id: 'protection',
    title: t('Protection'),
    icon: 'verified',
    group: 'Manage',
    who: 'admin',
    words: 'quarantine spam virus dmarc',
  },
  {
    id: 'components',
    title: t('Components'),
    icon: 'server',
    group: 'System',
    who: 'status:read',
    words: 'nodes listeners start stop',
  },
  {
    id: 'certificates',
    title: t('Certificates'),
    icon: 'lock',
    group: 'System',
    who: 'admin',
    words: 'tls acme expiry renew',
  },
  { id: 'log', title: t('Live log'), icon: 'filter', group: 'System', who: 'admin' },
  {
    id: 'metrics',
    title: t('Metrics'),
    icon: 'sliders',
    group: 'System',
    who: 'status:read',
    words: 'numbers counters',
  },
  {
    id: 'plugins',
    title: t('Plugins'),
    icon: 'archive',
    group: 'System',
    who: 'status:read',
    words: 'hooks order versions npm',
  },
  {
    id: 'configuration',
    title: t('Configuration'),
    icon: 'folder',
    group: 'System',
    who: 'admin',
    words: 'options check reload',
  },
  { id: 'commands', title: t('Commands'), icon: 'play', group: 'System', who: 'status:read', words: 'iems run' },
  { id: 'keys', title: t('API keys'), icon: 'key', group: 'System', who: 'admin', words: 'tokens rest' },
  { id: 'history', title: t('History'), icon: 'clock', group: 'System', who: 'admin', words: 'audit changes by whom' },
]

export interface PluginPage {
  readonly id: string
  readonly title: string
  readonly group: 'overview' | 'manage' | 'protection' | 'system'
  readonly summary?: string
  readonly kind: 'table' | 'form' | 'figures' | 'module'
}

/** With what the browser draws it from. */
export interface Page extends PluginPage {
  readonly row?: Schema
  readonly filter?: Schema
  readonly actions?: readonly { readonly id: string; readonly title: string; readonly irreversible?: boolean }[]
  readonly schema?: Schema
  readonly hasPreview?: boolean
}

export const placesOf = ({ permissions, features }: Me): readonly Place[] =>
  PLACES.filter(
    ({ who, feature }) => permissions.includes(who) && (feature === undefined || features.includes(feature)),
  )
