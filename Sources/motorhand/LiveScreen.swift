import ControlSocket
import Foundation
import Wire

/// Shows a watched hand: the live view with its keys on a terminal, lines elsewhere.
final class LiveScreen {
  /// Between two lines while nothing changes: what a log can bear for a day.
  private static let lineSeconds = 1.0

  private let socket: SocketOptions
  private let isShown: Bool
  private var view: LiveView
  private var terminal: Terminal?
  private var shown: HandSnapshot?
  private var lastLine: Date?

  /// - Parameter isShown: false where the hand is followed and nothing printed.
  init(socket: SocketOptions, isDegrees: Bool, isShown: Bool = true) {
    self.socket = socket
    self.isShown = isShown
    view = LiveView(isDegrees: isDegrees)
  }

  /// The next snapshot of a client that watches, shown; nil when the user has ended it by q, Ctrl-C or
  /// SIGTERM.
  func next(_ client: ControlClient) throws -> HandSnapshot? {
    while !Interrupt.isPending {
      let keyboard = terminal?.keyboard ?? -1
      if let line = try client.receive(seconds: LiveView.silenceSeconds, unlessReadable: keyboard) {
        let snapshot = try decodeSnapshot(line, before: end)
        if isShown { try show(snapshot) }
        return snapshot
      }
      for key in terminal?.keys() ?? [] where !obey(key) { return nil }
    }
    return nil
  }

  /// Gives the terminal back.
  func end() {
    terminal?.end()
    terminal = nil
  }

  private func show(_ snapshot: HandSnapshot) throws {
    guard Terminal.isDrawable else { return try printLine(snapshot) }
    // Not before: what is said in place of the first snapshot stays on the screen.
    let terminal = terminal ?? Terminal()
    self.terminal = terminal
    view.showsKeys = terminal.keyboard >= 0
    shown = snapshot
    draw()
  }

  private func draw() {
    guard let shown else { return }
    terminal?.show { [view] in view.lines(shown, size: $0) }
  }

  /// Prints a line when one is due or something has changed that must not be missed.
  private func printLine(_ snapshot: HandSnapshot) throws {
    func essence(_ snapshot: HandSnapshot?) -> [String?] {
      [snapshot?.state, snapshot?.mode, snapshot?.fault, snapshot?.outputsEnabled.description]
    }
    let now = Date()
    let isDue = lastLine.map { now.timeIntervalSince($0) >= Self.lineSeconds } ?? true
    guard isDue || essence(shown) != essence(snapshot) else { return }
    shown = snapshot
    lastLine = now
    try printAtOnce(now.formatted(.iso8601) + "  " + view.summary(snapshot))
  }

  /// False when the user has had enough.
  private func obey(_ key: Character) -> Bool {
    switch key {
    case " ": view.notice = stop()
    case "q", "Q": return false
    case "d", "D": view.isDegrees = true
    case "r", "R": view.isDegrees = false
    default: return true
    }
    draw()
    return true
  }

  /// Stops the hand by a connection of its own, before which nothing waits; what became of it.
  private func stop() -> String {
    do {
      let line = try socket.connect().request(CommandLine(verb: "stop").json)
      let reply = try JSONDecoder().decode(Reply.self, from: Data(line.utf8))
      guard reply.result == "executed" else {
        return "stop: outputs NOT seen off: cut the hand's supply (\(reply.reason ?? reply.result))"
      }
      return "stop: executed"
    } catch SocketError.timedOut {
      // Sent, and perhaps done: nobody has said so.
      return "stop: outputs NOT seen off: cut the hand's supply"
    } catch {
      return "STOP NOT DONE: \(error)"
    }
  }
}
