/// A bounded queue from one thread to another, both of which may wait for a lock: the loop is never one of
/// them. Beyond the capacity the newest element is dropped and counted.
package final class HandOver<Element: Sendable>: Sendable {
  private struct State {
    var waiting: [Element] = []
    var dropped: UInt64 = 0
    var isClosed = false
  }

  /// Most elements that wait.
  package let capacity: Int
  private let state = Locked(State())

  package init(capacity: Int) { self.capacity = capacity }

  /// Adds an element behind those that wait.
  package func put(_ element: Element) {
    state.withLock { state in
      guard state.waiting.count < capacity else {
        state.dropped += 1
        return
      }
      state.waiting.append(element)
    }
  }

  /// Says that nothing more will come.
  package func close() { state.withLock { $0.isClosed = true } }

  /// All that waits, the oldest first, and whether more may come.
  package func takeAll() -> (elements: [Element], isClosed: Bool) {
    state.withLock { state in
      let elements = state.waiting
      state.waiting.removeAll(keepingCapacity: true)
      return (elements, state.isClosed)
    }
  }

  /// Elements dropped so far.
  package var dropped: UInt64 { state.withLock { $0.dropped } }
}
