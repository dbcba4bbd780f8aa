import Synchronization

/// Lets a thing be said once for each cause, and again after it was over. Any thread that may wait.
package final class OncePerCause: Sendable {
  /// Causes that are told apart; what comes beyond is counted and not said, so that a text with a number in
  /// it can neither fill the memory nor the journal.
  package static let capacity = 32

  private let said = Locked<Set<String>>([])
  private let counted = Atomic<UInt64>(0)

  package init() {}

  /// What was not said for want of room.
  package var suppressed: UInt64 { counted.load(ordering: .relaxed) }

  /// Whether the cause is to be said: it was not before, or was over since.
  package func isNew(_ cause: String) -> Bool {
    let (isNew, hasRoom) = said.withLock { said in
      guard !said.contains(cause) else { return (false, true) }
      guard said.count < Self.capacity else { return (false, false) }
      said.insert(cause)
      return (true, true)
    }
    if !hasRoom { counted.wrappingAdd(1, ordering: .relaxed) }
    return isNew
  }

  /// The cause is gone; should it come back, it is said again.
  package func isOver(_ cause: String) { said.withLock { _ = $0.remove(cause) } }
}
