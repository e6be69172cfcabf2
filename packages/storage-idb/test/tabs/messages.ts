/** What the test tells a tab. */
export type Order =
  | { readonly to: string; readonly do: 'append'; readonly lane: string; readonly count: number }
  /** From now on requests get no answer. */
  | { readonly to: string; readonly do: 'hang' }

/** What a tab tells the test. */
export type Report =
  /** `draining` and `lost` are the events of the storage. */
  | { readonly from: string; readonly did: 'opened' | 'draining' | 'lost' }
  | { readonly from: string; readonly did: 'appended'; readonly sequence: number }
  | {
      readonly from: string
      readonly did: 'delivered' | 'resolved' | 'hung'
      readonly lane: string
      readonly sequences: readonly number[]
    }

export const ordersOf = (database: string): string => `orders ${database}`
export const reportsOf = (database: string): string => `reports ${database}`
