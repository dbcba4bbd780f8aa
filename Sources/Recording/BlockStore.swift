import Wire

/// Where a consumer of hands' messages keeps them: each once by its key, and what `store` has returned for
/// outlasts a power cut. One thread at a time.
package protocol BlockStore {
  /// The hands of which something is stored.
  func handIDs() throws(RecordingError) -> [String]

  /// The runs of a hand, the one last received first; older ones than a report has room for may be missing.
  func storedRuns(of handID: String) throws(RecordingError) -> [StoredRun]

  /// Stores messages of hands in one transaction: all of them, or on failure none.
  /// - Returns: what became of each.
  func store(
    _ messages: [(handID: String, message: ReceivedStore.Message)]
  ) throws(RecordingError) -> [ReceivedStore.Outcome]
}

/// What is stored of a run.
package struct StoredRun: Sendable, Equatable {
  /// The start of the hand's daemon.
  package var runID: String
  /// Numbers of the ticks.
  package var ticks: SequenceRanges
  /// Numbers of the events.
  package var events: SequenceRanges

  package init(runID: String, ticks: SequenceRanges, events: SequenceRanges) {
    self.runID = runID
    self.ticks = ticks
    self.events = events
  }
}

extension ReceivedStore: BlockStore {
  /// The hands of which something is stored.
  package func handIDs() -> [String] { Array(known.keys) }

  /// The runs of a hand, the one last received first.
  package func storedRuns(of handID: String) -> [StoredRun] {
    runs(of: handID).map { StoredRun(runID: $0.runID, ticks: $0.ticks, events: $0.events) }
  }
}
