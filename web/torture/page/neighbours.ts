import { neighbours } from '../src/neighbours.ts'

declare global {
  interface Window {
    meetNeighbour(name: string, issuer: string): Promise<void>
    restart(): Promise<void>
  }
}

window.meetNeighbour = async (name, issuer) => {
  await neighbours.find((each) => each.name === name)?.meet(issuer, window.restart)
}
