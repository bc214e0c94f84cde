/**
 * A score as an option: the weight of a check.
 */
import * as z from 'zod'

export const score = (standard: number) => z.number().min(-100).max(100).default(standard)
