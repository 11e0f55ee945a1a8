// A client of the emulated network that shares no code with Tideline's: Baileys, which has a WhatsApp
// protocol, a Signal implementation and a media cipher of its own. A test drives it over pipes.
//
//   node client.mjs NETWORK AUTH_FOLDER
//
// NETWORK is what "tideline wasim --tls" or GET /sandbox/network printed. NODE_EXTRA_CA_CERTS must name a file
// with the network's TLS certificate: media always travels over TLS.
//
// Each line on standard input is a command, {"id", "do", …}; each line on standard output an event
// {"event", …}, or the answer to a command, {"event": "answer", "id", "result" | "error"}.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import {
  DisconnectReason,
  WAMessageStatus,
  WAMessageStubType,
  WA_CERT_DETAILS,
  downloadMediaMessage,
  extractMessageContent,
  makeWASocket,
  useMultiFileAuthState,
} from '@whiskeysockets/baileys'

const network = JSON.parse(process.argv[2])
const { state, saveCreds } = await useMultiFileAuthState(process.argv[3])
WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(network.root_key, 'hex')

// The Signal library talks to the console; standard output is for events.
console.log = console.info = console.debug = console.error

const tell = event => process.stdout.write(JSON.stringify(event) + '\n')

// Where a file is told by its path alone, as history is, Baileys goes to WhatsApp's media host by name. That
// host is the network; and nothing else is reached from here.
const realFetch = globalThis.fetch
globalThis.fetch = (address, options) => {
  const url = new URL(address)
  if (url.host === 'mmg.whatsapp.net') url.host = network.tls.addr
  if (url.host !== network.tls.addr) throw new Error(`not on the network: ${url.host}`)
  return realFetch(url, options)
}

// Baileys wants a logger in the manner of pino. What it says goes to standard error.
const level = process.env.BAILEYS_LOG ?? 'warn'
const levels = ['trace', 'debug', 'info', 'warn', 'error']
const plain = (_, value) => {
  if (value instanceof Error) return value.stack
  return typeof value === 'bigint' ? String(value) : value
}
const logger = { level, child: () => logger }
for (const name of levels) {
  logger[name] = (what, text) => {
    if (levels.indexOf(name) >= levels.indexOf(level)) {
      process.stderr.write(`${name} ${text ?? ''} ${JSON.stringify(what, plain)}\n`)
    }
  }
}

let socket
let leaving = false

function connect() {
  socket = makeWASocket({
    auth: state,
    logger,
    // The stanzas go over TLS when the network has it: it has to work for those who insist on it.
    waWebSocketUrl: network.tls?.websocket ?? network.websocket,
  })
  socket.ev.on('creds.update', saveCreds)
  socket.ev.on('connection.update', ({ qr, connection, lastDisconnect, receivedPendingNotifications }) => {
    if (qr) tell({ event: 'qr', qr })
    if (connection === 'open') tell({ event: 'open', jid: state.creds.me.id, lid: state.creds.me.lid })
    if (receivedPendingNotifications) tell({ event: 'caught-up' })
    if (connection !== 'close') return
    const code = lastDisconnect?.error?.output?.statusCode
    tell({ event: 'closed', code, reason: String(lastDisconnect?.error?.message) })
    // After pairing the server asks for a restart of the connection; other losses are the test's to judge.
    if (code === DisconnectReason.restartRequired && !leaving) connect()
  })
  socket.ev.on('messages.upsert', async ({ messages }) => {
    for (const message of messages) {
      try {
        await received(message)
      } catch (error) {
        tell({ event: 'failure', id: message.key?.id, error: String(error.stack) })
      }
    }
  })
  socket.ev.on('messages.update', updates => {
    for (const { key, update } of updates) {
      if (update.status != null) tell({ event: 'status', id: key.id, status: WAMessageStatus[update.status] })
    }
  })
  socket.ev.on('presence.update', ({ id, presences }) => tell({ event: 'presence', id, presences }))
  socket.ev.on('contacts.upsert', contacts => {
    for (const { id, name } of contacts) tell({ event: 'contact', jid: id, name })
  })
  socket.ev.on('chats.update', chats => {
    for (const { id, archived } of chats) if (archived) tell({ event: 'chat', chat: id, status: 'archived' })
  })
  socket.ev.on('messaging-history.set', ({ chats, contacts, messages, syncType }) => {
    tell({ event: 'history', chats: chats.length, contacts: contacts.length, messages: messages.length, syncType })
  })
  socket.ev.on('call', calls => {
    for (const { id, status } of calls) tell({ event: 'call', id, status })
  })
}

async function received(message) {
  const content = extractMessageContent(message.message)
  const event = {
    event: 'message',
    id: message.key.id,
    chat: message.key.remoteJid,
    alternative: message.key.remoteJidAlt,
    participant: message.key.participant,
    from_me: message.key.fromMe,
    name: message.pushName,
  }
  if (!content) {
    // Changes of groups come as messages without content too.
    if (message.messageStubType === WAMessageStubType.CIPHERTEXT) tell({ ...event, event: 'undecryptable', why: message.messageStubParameters })
    return
  }
  if (content.protocolMessage) return
  const kind = ['image', 'video', 'audio', 'document'].find(name => content[`${name}Message`])
  event.text = content.conversation || content.extendedTextMessage?.text || content[`${kind}Message`]?.caption || ''
  if (kind && !message.key.fromMe) {
    const data = await downloadMediaMessage(message, 'buffer', {}, { logger, reuploadRequest: socket.updateMediaMessage })
    event.media = {
      kind,
      mime: content[`${kind}Message`].mimetype,
      name: content[`${kind}Message`].fileName ?? '',
      size: data.length,
      voice: content.audioMessage?.ptt ?? false,
      seconds: content.audioMessage?.seconds ?? 0,
      sha256: createHash('sha256').update(data).digest('hex'),
    }
  }
  tell(event)
}

const commands = {
  code: ({ phone }) => socket.requestPairingCode(phone).then(code => ({ code })),
  text: ({ to, text }) => socket.sendMessage(to, { text }),
  file: async ({ to, kind, path, mime, name, text }) =>
    socket.sendMessage(to, { [kind]: await readFile(path), mimetype: mime, fileName: name, caption: text }),
  read: ({ chat, message }) => socket.readMessages([{ remoteJid: chat, id: message }]).then(() => ({})),
  exists: ({ to }) => socket.onWhatsApp(to).then(list => ({ found: list })),
  group: ({ to, name }) => socket.groupCreate(name, [to]).then(group => ({ jid: group.id })),
  typing: ({ to, state }) => socket.sendPresenceUpdate(state, to).then(() => ({})),
  disconnect: async () => {
    leaving = true
    await socket.end()
    return {}
  },
  connect: async () => {
    leaving = false
    connect()
    return {}
  },
}

connect()
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line)
  commands[command.do](command).then(
    result => tell({ event: 'answer', id: command.id, result: result.key ? { message: result.key.id } : result }),
    error => tell({ event: 'answer', id: command.id, error: String(error.stack) }),
  )
}
// Standard input is closed: the test has seen enough.
leaving = true
await socket.end()
process.exit(0)
