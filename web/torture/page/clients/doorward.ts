import { run } from '../page.ts'
import { doorward } from '../doorward.ts'

run((setting) => doorward(setting))
