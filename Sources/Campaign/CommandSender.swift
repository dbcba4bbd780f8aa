import HandModel
import Runtime

/// Sends commands into a hand's mailbox, numbered as the daemon numbers them.
struct CommandSender {
  private let port: CommandPort
  private var number: UInt32 = 0
  private var last: TickCommand?

  init(_ port: CommandPort) { self.port = port }

  mutating func send(_ command: Command) {
    send(TickCommand(command, source: .socket, number: 0))
  }

  mutating func send(_ command: TickCommand) {
    number &+= 1
    var numbered = command
    numbered.number = number
    last = numbered
    port.post(numbered)
  }

  /// The last one once more, as a network that delivers twice does.
  func replay() {
    if let last { port.post(last) }
  }
}
