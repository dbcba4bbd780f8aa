/// A set of numbers of ticks or events, kept as ranges in their order that neither overlap nor touch.
package struct SequenceRanges: Sendable, Equatable {
  /// Most ranges of a set, 1.6 MB. A run without gaps is one; beyond it the lowest range is forgotten, which
  /// for what was sent or stored only means sending it again.
  package static let maximumCount = 100_000
  /// The largest number: SQLite's integers have a sign.
  package static let largest = UInt64(Int64.max)

  /// From the lowest to the highest.
  package private(set) var ranges: [ClosedRange<UInt64>] = []

  /// A set of nothing.
  package init() {}

  /// A set of one range.
  package init(_ range: ClosedRange<UInt64>) { ranges = [range] }
  /// A set of all numbers up to and with `last`; nil: of nothing.
  package init(through last: UInt64?) { ranges = last.map { [0...$0] } ?? [] }

  package var isEmpty: Bool { ranges.isEmpty }
  /// How many numbers are in it.
  package var count: UInt64 { ranges.reduce(0) { $0 + ($1.upperBound - $1.lowerBound + 1) } }
  /// The lowest number; nil of none.
  package var first: UInt64? { ranges.first?.lowerBound }
  /// The highest number; nil of none.
  package var last: UInt64? { ranges.last?.upperBound }

  /// Place of the first range that ends at `number` or above.
  private func place(_ number: UInt64) -> Int {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound < number { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Whether all numbers of a range are in it.
  package func contains(_ range: ClosedRange<UInt64>) -> Bool {
    let index = place(range.lowerBound)
    return index < ranges.count && ranges[index].lowerBound <= range.lowerBound
      && range.upperBound <= ranges[index].upperBound
  }

  /// Whether a number is in it.
  package func contains(_ number: UInt64) -> Bool { contains(number...number) }

  /// Adds a range; whether any number of it was not in it before.
  @discardableResult
  package mutating func insert(_ range: ClosedRange<UInt64>) -> Bool {
    precondition(range.upperBound <= Self.largest)
    guard !contains(range) else { return false }
    let start = place(range.lowerBound == 0 ? 0 : range.lowerBound - 1)
    var end = start
    var (lower, upper) = (range.lowerBound, range.upperBound)
    while end < ranges.count, ranges[end].lowerBound <= range.upperBound + 1 {
      lower = min(lower, ranges[end].lowerBound)
      upper = max(upper, ranges[end].upperBound)
      end += 1
    }
    ranges.replaceSubrange(start..<end, with: CollectionOfOne(lower...upper))
    if ranges.count > Self.maximumCount { ranges.removeFirst() }
    return true
  }

  /// Adds all of another set.
  package mutating func formUnion(_ other: Self) {
    if isEmpty { ranges = other.ranges } else { for range in other.ranges { insert(range) } }
  }

  /// The numbers that are in it and not in another.
  package func subtracting(_ other: Self) -> Self {
    var left = Self()
    var index = 0
    for range in ranges {
      while index < other.ranges.count, other.ranges[index].upperBound < range.lowerBound { index += 1 }
      var (next, cut) = (range.lowerBound, index)
      var isUsedUp = false
      while cut < other.ranges.count, other.ranges[cut].lowerBound <= range.upperBound {
        let taken = other.ranges[cut]
        if taken.lowerBound > next { left.ranges.append(next...taken.lowerBound - 1) }
        guard taken.upperBound < range.upperBound else {
          isUsedUp = true
          break
        }
        next = max(next, taken.upperBound + 1)
        cut += 1
      }
      if !isUsedUp { left.ranges.append(next...range.upperBound) }
    }
    return left
  }

  /// The numbers that are in both.
  package func intersection(_ other: Self) -> Self { subtracting(subtracting(other)) }

  /// The numbers of it that lie in a range.
  package func clamped(to range: ClosedRange<UInt64>) -> Self {
    var part = Self()
    for held in ranges[place(range.lowerBound)...] where held.lowerBound <= range.upperBound {
      part.ranges.append(held.clamped(to: range))
    }
    return part
  }

  /// The same with at most so many ranges: the lowest are left out.
  package func newest(_ limit: Int) -> Self {
    var part = Self()
    part.ranges = Array(ranges.suffix(limit))
    return part
  }

  // MARK: JSON

  /// Writes it as a list of pairs of texts, `[["0","999"]]`.
  package func write(into json: inout JSONWriter) {
    json.array(ranges) { json, range in
      json.array([range.lowerBound, range.upperBound]) { $0.wide($1) }
    }
  }

  /// Reads what `write` wrote: in order, apart, and no more than `limit` ranges.
  package init(_ fields: MessageFields, _ key: String, limit: Int = Self.maximumCount) throws(MessageProblem)
  {
    let items = try fields.array(key)
    guard items.count <= limit else {
      throw fields.problem(key, "found \(items.count) ranges, expected at most \(limit)")
    }
    for item in items {
      guard case .array(let ends) = item, ends.count == 2,
        let lower = MessageFields.natural(ends[0]), let upper = MessageFields.natural(ends[1]),
        lower <= upper, upper <= Self.largest
      else { throw fields.problem(key, "expected pairs of first and last number") }
      if let last, lower <= last || lower - last < 2 {
        throw fields.problem(key, "found ranges out of order or that touch")
      }
      ranges.append(lower...upper)
    }
  }
}
