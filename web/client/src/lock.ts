/** How long to wait for another tab, in milliseconds. Its holder may be frozen. */
const patience = 1000

/** How long a message of the tab that held the lock may take to arrive. */
const lag = 20

/** What a lock that nobody holds takes at most, in milliseconds. */
const instant = 2

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/**
 * Runs `work` while no other tab does. The lock only saves work: nothing is
 * wrong if two tabs renew at once, so it is not waited for longer than a
 * second, and not having it is no reason to give up.
 */
export async function locked<T>(name: string, work: () => Promise<T>): Promise<T> {
  let running: Promise<T> | undefined
  const begin = () => (running ??= work())
  const giveUp = new AbortController()
  const asked = performance.now()
  try {
    await Promise.race([
      navigator.locks.request(name, { signal: giveUp.signal }, async () => {
        if (performance.now() - asked > instant) await sleep(lag)
        return begin()
      }),
      // Those who wait for a frozen tab do not all set out in the same moment.
      sleep(patience * (1 - Math.random() / 2)),
    ])
  } catch {
    // There are no locks, or none are allowed; or the work failed, which its promise says.
  }
  giveUp.abort()
  return begin()
}
