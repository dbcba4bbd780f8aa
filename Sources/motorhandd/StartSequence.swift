/// The parts of a run: started one after another, and what was started is ended, whether the start failed
/// half-way or the run is over.
///
/// The end goes through stages: the outputs first, then whoever may command, then what records and publishes,
/// and last what must outlive all of these. Within a stage the part that was started last ends first.
final class StartSequence {
  enum Stage: CaseIterable {
    /// What moves the hand.
    case outputs
    /// Who commands it.
    case clients
    /// What commands and records wait in, and what writes and sends them.
    case consumers
    /// What is given up only when everything else has ended.
    case memory
  }

  /// A step that a test makes fail.
  struct InjectedFailure: Error, Equatable {
    let step: String
  }

  private struct Part {
    let stage: Stage
    let beginEnd: (() -> Void)?
    let end: () -> Void
  }

  private let failingStep: Int?
  private var parts: [Part] = []
  /// The steps tried so far, in their order.
  private(set) var steps: [String] = []

  /// - Parameter failingStep: the step, from 0, that fails instead of being done: for tests; nil = none.
  init(failingStep: Int? = nil) { self.failingStep = failingStep }

  /// One step of the start, which may fail.
  func step<Result>(_ name: String, _ start: () throws -> Result) throws -> Result {
    steps.append(name)
    if steps.count - 1 == failingStep { throw InjectedFailure(step: name) }
    return try start()
  }

  /// Says how something ends that was made or started just now.
  /// - Parameters:
  ///   - beginEnd: asks for the end without waiting for it. All parts of a stage are asked before any is
  ///     waited for.
  ///   - end: waits, bounded, for the end.
  func onEnd(_ stage: Stage, beginEnd: (() -> Void)? = nil, _ end: @escaping () -> Void) {
    parts.append(Part(stage: stage, beginEnd: beginEnd, end: end))
  }

  /// Ends what was started. Later calls do nothing.
  func end() {
    let ending = parts
    parts = []
    for stage in Stage.allCases {
      let now = ending.reversed().filter { $0.stage == stage }
      for part in now { part.beginEnd?() }
      for part in now { part.end() }
    }
  }
}
