/** Shared by the pages of the settings: their frame, and the rules that two of them change. */
import type { ReactNode } from 'react'
import type { Rule } from '../../store/rules.ts'

export const Page = ({
  title,
  end,
  children,
}: {
  readonly title: string
  readonly end?: ReactNode
  readonly children: ReactNode
}) => (
  <>
    <header>
      <h1 className="grow">{title}</h1>
      {end}
    </header>
    {children}
  </>
)

export interface RulesProps {
  readonly rules: readonly Rule[]
  readonly script: string
  save(rules: readonly Rule[]): Promise<boolean>
}
