import Realtime
import SeededRandom

/// Thousands of episodes on as many threads as the machine has cores, one hand a thread.
package struct Campaign: Sendable {
  /// Virtual hands run on ordinary threads. Each gets the stack of a main thread.
  private static let stackBytes = 8 << 20

  package var hand: CampaignHand
  /// Of the whole campaign; each episode's own is drawn from it.
  package var seed: UInt64
  /// Threads, at least 1.
  package var jobs: Int

  package init(hand: CampaignHand, seed: UInt64, jobs: Int) {
    precondition(jobs > 0, "a campaign needs a thread")
    self.hand = hand
    self.seed = seed
    self.jobs = jobs
  }

  /// Seeds of episodes have 40 bits, so that people can type them and JSON keeps them exactly. The lowest bit
  /// tells an episode with a fault (0) from fault-free time (1).
  static func episodeSeed(_ word: UInt64, isFaultFree: Bool) -> UInt64 {
    (word >> 25) << 1 | (isFaultFree ? 1 : 0)
  }

  /// Whether a seed is that of fault-free time.
  package static func isFaultFree(seed: UInt64) -> Bool { seed & 1 == 1 }

  /// The plans of a campaign: the first `count` that its seed draws, of the wanted classes.
  package func plans(count: Int, classes: Set<FaultClass>) -> [EpisodePlan] {
    var generator = SeededGenerator(seed: seed)
    var plans: [EpisodePlan] = []
    plans.reserveCapacity(count)
    while plans.count < count && !classes.isDisjoint(with: hand.classes) {
      let plan = EpisodePlan(
        seed: Self.episodeSeed(generator.next(), isFaultFree: false), hand: hand)
      if classes.contains(plan.fault) { plans.append(plan) }
    }
    return plans
  }

  /// Runs all plans.
  /// - Parameters:
  ///   - progress: told how many are done, from any thread.
  ///   - isCancelled: asked between episodes; what is done by then is the result.
  package func run(
    _ plans: [EpisodePlan], progress: @escaping @Sendable (Int) -> Void = { _ in },
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) throws -> [EpisodeResult] {
    let hand = hand
    return try spread(plans.count, progress: progress, isCancelled: isCancelled) { index in
      try Episode(plans[index], hand: hand).run()
    }
  }

  /// The report of what `run` gave.
  package func report(_ results: [EpisodeResult], faultFree: FaultFreeReport? = nil) -> CampaignReport {
    CampaignReport(hand, seed: seed, results: results, faultFree: faultFree)
  }

  /// Does `count` pieces of work on `jobs` threads; results come in the order of their numbers.
  func spread<Result: Sendable>(
    _ count: Int, progress: @escaping @Sendable (Int) -> Void, isCancelled: @escaping @Sendable () -> Bool,
    _ work: @escaping @Sendable (Int) throws -> Result
  ) throws -> [Result] {
    let shared = Locked(Shared<Result>(results: Array(repeating: nil, count: count)))
    let threads = try (0..<min(jobs, max(count, 1))).map { number in
      try RealtimeThread(name: "hand \(number)", policy: .normal, stackBytes: Self.stackBytes) {
        while !isCancelled() {
          let index = shared.withLock { shared -> Int? in
            guard shared.next < count, shared.failure == nil else { return nil }
            shared.next += 1
            return shared.next - 1
          }
          guard let index else { return }
          do {
            let result = try work(index)
            let done = shared.withLock { shared in
              shared.results[index] = result
              shared.done += 1
              return shared.done
            }
            progress(done)
          } catch {
            shared.withLock { $0.failure = error }
          }
        }
      }
    }
    for thread in threads { thread.join() }
    let (results, failure) = shared.withLock { ($0.results, $0.failure) }
    if let failure { throw failure }
    return results.compactMap(\.self)
  }

  private struct Shared<Result> {
    var results: [Result?]
    var next = 0
    var done = 0
    var failure: (any Error)?
  }
}
