import HandModel

/// Where commands and stops from the socket and the broker go. Every closure is called from several threads.
package struct CommandSink: Sendable {
  /// Hands a command on and returns at once. At its turn it is refused if the count of stops is no longer
  /// `stopCount`. Returns false when it was not taken because too many wait. Otherwise `completion` is called
  /// once, on any thread, with what became of it.
  package typealias Submit =
    @Sendable (
      _ envelope: CommandEnvelope, _ source: CommandSource, _ stopCount: UInt32,
      _ completion: @escaping @Sendable (CommandReply) -> Void
    ) -> Bool

  /// Has a requested stop answered: `completion` is called once, on a thread that waits for stops, with what
  /// the stop came to. When too many wait already or the program ends, it returns false and never calls
  /// `completion`.
  package typealias WhenStopped =
    @Sendable (_ source: CommandSource, _ completion: @escaping @Sendable (CommandReply) -> Void) -> Bool

  /// The reason to give where a command was not taken.
  package static let fullReason = "too many commands wait already"

  package let submit: Submit
  /// Requests the stop and has it waited for. Wait-free, because it is called inside the callback that read
  /// the stop.
  package let requestStop: @Sendable (CommandSource) -> Void
  /// Stops requested so far.
  package let stopCount: @Sendable () -> UInt32
  package let whenStopped: WhenStopped
  /// Reads a JSON command body. The verb is the topic's last level, or empty where the body itself names it.
  package let parse: @Sendable (_ body: [UInt8], _ verb: String) -> Result<CommandEnvelope, CommandRejection>

  package init(
    submit: @escaping Submit, requestStop: @escaping @Sendable (CommandSource) -> Void,
    stopCount: @escaping @Sendable () -> UInt32, whenStopped: @escaping WhenStopped,
    parse: @escaping @Sendable ([UInt8], String) -> Result<CommandEnvelope, CommandRejection>
  ) {
    self.submit = submit
    self.requestStop = requestStop
    self.stopCount = stopCount
    self.whenStopped = whenStopped
    self.parse = parse
  }
}
