// Servers of a test's own, each on a free port of the loopback interface.
import type { Server as HttpServer } from 'node:http'
import type { Server } from 'node:net'

/** Begins to listen. Gives `127.0.0.1:<port>`. */
export const listen = async (server: Server): Promise<string> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
}

/** Ends it, whoever is connected. */
export const stopListening = (server: HttpServer): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
