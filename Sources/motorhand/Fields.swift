import ArgumentParser
import HandModel
import Wire

struct Fields: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print what is told of ticks and joints, as Markdown: columns, frames and channels.",
    discussion: "These are the tables of docs/recording.md and docs/telemetry.md.")

  enum Table: String, CaseIterable, ExpressibleByArgument {
    case tick, joint, channel

    var text: String {
      switch self {
      case .tick: FieldDocument.tick()
      case .joint: FieldDocument.joint()
      case .channel: Channel.document()
      }
    }
  }

  @Argument(help: "Only this table: columns of a tick, values of a joint, channels of state.")
  var table: Table?

  func run() throws {
    try emit((table.map { [$0] } ?? Table.allCases).map(\.text).joined(separator: "\n\n"))
  }
}
