import HandModel

/// The lists of all words and bits that go over an interface, as docs/words.md has them.
package enum WordLists {
  /// A word or a bit, and what it means.
  package struct Entry: Sendable {
    /// As it goes over the interface; of a bit its value.
    package var word: String
    /// What it says, in Markdown.
    package var meaning: String
  }

  /// A list of words that belong together.
  package struct List: Sendable {
    /// Heading of its section.
    package var title: String
    /// Where the words stand.
    package var place: String
    /// In the order in which the source lists them.
    package var entries: [Entry]
  }

  /// All lists, in the order of the document.
  package static var lists: [List] {
    [
      List(
        title: "States",
        place: "`state` of MQTT and control socket, `state_name` of recordings, `from` and `to` of events",
        entries: entries(HandState.self) { meaning(of: $0) }),
      List(
        title: "Status", place: "`status` of MQTT's retained message",
        entries: StatusPayload.Word.allCases.map { Entry(word: $0.rawValue, meaning: meaning(of: $0)) }),
      List(
        title: "Modes",
        place: "`mode` and `control_mode`, the words of the AGP source system; `mode_gauge` is the number",
        entries: entries(ControlMode.self) { "\($0.rawValue): \(meaning(of: $0))" }),
      List(
        title: "Certificate states", place: "`certificate` of a tick and of a joint",
        entries: entries(CertificateState.self) { meaning(of: $0) }),
      List(
        title: "Faults",
        place:
          "`fault` everywhere; null in JSON where nothing is latched. The number is what ticks of a recording hold. "
          + "What each means and does: [faults.md](faults.md)",
        entries: FaultCode.allCases.filter { $0 != .none }.map {
          Entry(word: $0.id, meaning: "\($0.rawValue): \($0.name)")
        }),
      List(
        title: "Events", place: "`kind` of MQTT's event and of the table `event`",
        entries: HandEvent.Kind.allCases.map { Entry(word: $0.rawValue, meaning: meaning(of: $0)) }),
      List(
        title: "Verbs", place: "the last level of a command topic, `verb` of a body and of a reply",
        entries: CommandParser.Verb.allCases.map { Entry(word: $0.rawValue, meaning: meaning(of: $0)) }),
      List(
        title: "Replies", place: "`result` of a reply",
        entries: ReplyMessage.Word.allCases.map { Entry(word: $0.rawValue, meaning: meaning(of: $0)) }),
      List(
        title: "Refusals by the hand",
        place:
          "`command_result_name` of recordings; a reply has the reason in words. What is refused before it reaches the "
          + "hand has its reason in words only",
        entries: entries(CommandResult.self) { $0.refusal ?? "the hand took the command" }),
      List(
        title: "Ways", place: "`commands.state` and `stop_way.state` of the status",
        entries: CommandWay.State.allCases.map { Entry(word: $0.rawValue, meaning: meaning(of: $0)) }),
      List(
        title: "Bits of a joint's flags", place: "`flags` of a joint in MQTT and recordings",
        entries: jointFlags.map { Entry(word: String($0.bit), meaning: $0.meaning) }),
      List(
        title: "Bits of the input flags", place: "`input_flags` of a tick in recordings",
        entries: inputFlags.map { Entry(word: String($0.bit), meaning: $0.meaning) }),
    ]
  }

  /// The bits of `JointFlags`.
  package static let jointFlags: [(bit: UInt8, meaning: String)] = [
    (JointFlags.fresh, "a new encoder sample was taken"),
    (JointFlags.torqueLimited, "the torque limit acted, of a servo that of its correction"),
    (JointFlags.rateLimited, "the rate limit acted"),
    (JointFlags.endStop, "the joint is where its end stop may be"),
    (JointFlags.stale, "the encoder sample is too old"),
    (
      JointFlags.sampled,
      "a new encoder sample came; without bit 1 it is not newer than the last accepted one, or too far from it"
    ),
  ]

  /// The bits of `InputFlags`.
  package static let inputFlags: [(bit: UInt32, meaning: String)] = [
    (InputFlags.actuatorFailed, "a chip that drives actuators did not do what it was told"),
    (InputFlags.stop, "an e-stop was commanded"),
    (InputFlags.remoteStop, "all of these stops came over MQTT"),
    (InputFlags.last, "the loop ended with this tick"),
    (InputFlags.driveEnableFailed, "the drive-enable line did not follow when it was last driven"),
  ]

  private static func entries<Value: InterfaceWord>(
    _ type: Value.Type, _ meaning: (Value) -> String
  ) -> [Entry] {
    Value.allCases.map { Entry(word: $0.id, meaning: meaning($0)) }
  }

  /// docs/words.md.
  package static var document: String {
    """
    # Words

    Every word and bit that goes over MQTT, the control socket, recordings and the journal, printed from the source by
    `motorhand words --markdown`. Words are for machines and stay as they are; what is said to people beside them may change.


    """ + markdown
  }

  /// The lists as Markdown, one section each.
  private static var markdown: String {
    lists.map { list in
      let rows = list.entries.map { "| `\($0.word)` | \($0.meaning) |" }
      return (["## \(list.title)", "In \(list.place).", "", "| word | meaning |", "|---|---|"] + rows)
        .joined(separator: "\n")
    }.joined(separator: "\n\n") + "\n"
  }
}
