import { naive, ours, type Side } from './sides.ts'

// What the tabs of the demo tell each other, so that two of them renew at the
// same moment and it can be told how often the server was asked. The clients
// share in ways of their own.

type Message = { kind: 'here' } | { kind: 'renew' } | { kind: 'renewed'; asked: Asked }

/** How many refreshes each client of a tab has sent. */
interface Asked {
  ours: number
  naive: number
}

const channel = new BroadcastChannel('doorward-demo')
const waiting = new Set<(message: Message) => void>()

const say = (message: Message) => channel.postMessage(message)

channel.onmessage = ({ data }: MessageEvent<Message>) => {
  if (data.kind === 'renew') void renewBoth().then((asked) => say({ kind: 'renewed', asked }))
  for (const listener of [...waiting]) listener(data)
}

/** Whether this tab was opened by another, to be the second one. */
export const isSecond = new URLSearchParams(location.search).has('second')

/** Tells the tab that opened this one that it is ready. */
export const here = () => say({ kind: 'here' })

async function renewBoth(): Promise<Asked> {
  const asked = async (side: Side) => {
    const learn = side.journal.mark()
    if (side.signedIn()) await side.renew()
    return learn().refreshes
  }
  const [o, n] = await Promise.all([asked(ours), asked(naive)])
  return { ours: o, naive: n }
}

function next<K extends Message['kind']>(
  kind: K,
  within: number,
): Promise<Extract<Message, { kind: K }> | null> {
  return new Promise((resolve) => {
    const settle = (message: Extract<Message, { kind: K }> | null) => {
      waiting.delete(listen)
      clearTimeout(timer)
      resolve(message)
    }
    const listen = (message: Message) => {
      if (message.kind === kind) settle(message as Extract<Message, { kind: K }>)
    }
    const timer = setTimeout(() => settle(null), within)
    waiting.add(listen)
  })
}

/**
 * Opens a second tab and renews in both at once. Returns how often each client
 * asked the server, in both tabs together; null where no tab came up.
 */
export async function renewInTwoTabs(): Promise<Asked | null> {
  const up = next('here', 15_000)
  window.open('/?second', '_blank', 'noopener')
  if (!(await up)) return null
  const theirs = next('renewed', 15_000)
  say({ kind: 'renew' })
  const mine = await renewBoth()
  const other = await theirs
  return other && { ours: mine.ours + other.asked.ours, naive: mine.naive + other.asked.naive }
}
