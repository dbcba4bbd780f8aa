/// A way on which commands or stops reach the hand over MQTT: a connection and what the broker granted it.
package struct CommandWay: Sendable, Equatable {
  /// What is known of the way.
  package enum State: String, Sendable, CaseIterable {
    /// No connection stands.
    case down
    /// Connected; the broker has not answered yet.
    case asking
    /// The broker refuses the subscription, or grants it and delivers nothing.
    case deaf
    /// Subscribed; that the broker delivers could not be shown.
    case unproved
    /// Subscribed, and a message of the hand's own has come back.
    case up
  }

  /// What is known of it now.
  package var state = State.down
  /// Why the way is not up, or what is wrong although it is; empty when nothing is.
  package var error = ""
  /// Wall clock of the last change of state, nanoseconds since 1970; 0 = none yet.
  package var sinceNanoseconds: Int64 = 0

  package init() {}

  /// Takes over what is the case now, and the time when that is a change.
  /// - Parameter now: wall clock, nanoseconds since 1970.
  package mutating func become(_ state: State, _ error: String, now: Int64) {
    if state != self.state { sinceNanoseconds = now }
    self.state = state
    self.error = error
  }
}
