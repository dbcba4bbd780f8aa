import Foundation
import Testing

extension EndToEnd {
  /// Tests/SameAsBefore/compare.py, on texts in which the difference is known.
  @Suite("The comparison with an earlier commit")
  struct SameAsBeforeTests {
    private let bench: TestBench
    private let folder: String

    init() throws {
      bench = try TestBench()
      folder = bench.path("compare")
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
      try FileManager.default.copyItem(
        atPath: "\(Repository.root)/Tests/SameAsBefore/compare.py", toPath: folder + "/compare.py")
      try """
      ignored wall_nanoseconds
      absent current_amperes
      rounded distance = 3
      column torque_newton_metres = correction_radians
      word command time-out = command-timeout
      """.write(toFile: folder + "/names", atomically: true, encoding: .utf8)
    }

    private func compare(_ kind: String, _ before: String, _ after: String) throws -> Outcome {
      try before.write(toFile: folder + "/before", atomically: true, encoding: .utf8)
      try after.write(toFile: folder + "/after", atomically: true, encoding: .utf8)
      return try bench.run(
        "/usr/bin/env", ["python3", folder + "/compare.py", kind, folder + "/before", folder + "/after"])
    }

    private static let before = """
      sequence [ticks],wall_nanoseconds [ns],fault,a.torque_newton_metres [N·m],a.current_amperes [A],a.distance
      0,17,none,0.25,0.0,0.123500
      1,18,command time-out,-0.5,0.0,

      """

    @Test("other names, units, clocks and absent sensors that the table allows are no difference")
    func allowed() throws {
      let after = """
        a.correction_radians [rad],sequence,fault,a.torque_newton_metres [N·m],a.current_amperes,new,wall_nanoseconds [ns],a.distance
        0.25,0,none,,,7,99,0.124
        ,1,command-timeout,-0.5,,7,98,

        """
      let outcome = try compare("ticks", Self.before, after)
      #expect(outcome.status == 0, "\(outcome)")
      #expect(outcome.output.contains("2 ticks of 5 quantities, identical"))
      #expect(outcome.output.contains("absent now where 0 stood before: a.current_amperes"))
    }

    @Test(
      "any other difference ends with 1 and its place",
      arguments: [
        ("-0.5", "-0.500001", "different at tick 1: a.torque_newton_metres was -0.5, is -0.500001"),
        ("-0.5", "", "is absent"),
        ("0.123500", "0.125", "different at tick 0: a.distance was 0.123500, is 0.125"),
        ("0.25,0.0", "0.25,0.1", "different at tick 0: a.current_amperes was 0.0, is 0.1"),
        ("none", "command-timeout", "different at tick 0: fault was none"),
        ("a.torque_newton_metres", "a.torque", "not in the tree after"),
        ("1,18,command time-out,-0.5,0.0,\n", "", "ends before tick 1"),
        (
          "1,18,command time-out,-0.5,0.0,\n", "1,18,command time-out,-0.5,0.0,\n2,19,none,0,0,\n",
          "a tick 2 more"
        ),
      ])
    func differences(old: String, new: String, reason: String) throws {
      let after = Self.before.replacingOccurrences(of: old, with: new)
      try #require(after != Self.before)
      let outcome = try compare("ticks", Self.before, after)
      #expect(outcome.status == 1 && outcome.errors.contains(reason), "\(outcome)")
    }

    @Test("reports of campaigns differ by any number or case, and not by a renamed cause")
    func reports() throws {
      let before =
        #"{"episodes": 2, "classes": [{"causes": {"command time-out": 2}, "worst": 3, "missed": []}]}"#
      let renamed = before.replacingOccurrences(of: "command time-out", with: "command-timeout")
      #expect(try compare("episodes", before, renamed).status == 0)
      for (old, new, reason) in [
        ("\"worst\": 3", "\"worst\": 4", "worst: was 3, is 4"), ("[]", "[1]", "missed: were 0, are 1"),
        ("command time-out", "stale", "causes.command time-out: only before"),
      ] {
        let outcome = try compare("episodes", before, before.replacingOccurrences(of: old, with: new))
        #expect(outcome.status == 1 && outcome.errors.contains(reason), "\(outcome)")
      }
    }
  }
}
