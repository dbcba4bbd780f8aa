import HandModel

/// Where the publisher's commands and stops go. Every closure is called from several threads.
package struct CommandSink: Sendable {
  /// Hands a command on and returns at once; it is refused when the count of stops is another one when its turn comes.
  /// False when it was not taken, because too many wait. Otherwise
  /// `completion` is called once, on any thread, with what became of it.
  package typealias Submit =
    @Sendable (
      _ envelope: CommandEnvelope, _ source: CommandSource, _ stopCount: UInt32,
      _ completion: @escaping @Sendable (CommandReply) -> Void
    ) -> Bool

  let submit: Submit
  /// Asks for the stop. Wait-free: called inside the callback that read it.
  var requestStop: @Sendable () -> Void
  /// Stops requested so far.
  let stopCount: @Sendable () -> UInt32
  /// Waits, bounded, until the stop is seen to have done its work.
  let awaitStop: @Sendable () -> CommandReply
  /// Reads a JSON command body. The verb is the topic's last level, or empty where the body itself names it.
  let parse: @Sendable (_ body: [UInt8], _ verb: String) -> Result<CommandEnvelope, CommandRejection>

  package init(
    submit: @escaping Submit, requestStop: @escaping @Sendable () -> Void,
    stopCount: @escaping @Sendable () -> UInt32, awaitStop: @escaping @Sendable () -> CommandReply,
    parse: @escaping @Sendable ([UInt8], String) -> Result<CommandEnvelope, CommandRejection>
  ) {
    self.submit = submit
    self.requestStop = requestStop
    self.stopCount = stopCount
    self.awaitStop = awaitStop
    self.parse = parse
  }
}
