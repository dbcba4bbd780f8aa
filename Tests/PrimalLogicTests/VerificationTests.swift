import Testing

@testable import PrimalLogic

@Suite struct VerificationTests {
  @Test("issued certificates pass the independent verification", arguments: Certified.Which.allCases)
  func issued(_ which: Certified.Which) throws {
    let (certificate, model) = try Certified.of(which)
    let result = verify(certificate, model)
    #expect(result.passed && result.margin > 0)
  }

  @Test("P rounded to six digits no longer holds near slope 0, and the verification says so")
  func roundedNorm() throws {
    var (certificate, model) = try Certified.of(.hand)
    let largest = (0..<25).map { certificate.p[$0].magnitude }.max() ?? 1
    for i in 0..<25 {
      certificate.p[i] = (certificate.p[i] / largest * 1e6).rounded() / 1e6
    }
    let result = verify(certificate, model)
    #expect(!result.passed && result.slope < 0.07)
  }

  @Test("an L claimed too small by 10⁻⁷ at one node is found there", arguments: Certified.Which.allCases)
  func smallClaim(_ which: Certified.Which) throws {
    var (certificate, model) = try Certified.of(which)
    certificate.nodes[17 * 17 + 16] -= 1e-7
    let result = verify(certificate, model)
    #expect(!result.passed)
    #expect(isClose(result.dt, certificate.nodeDt(17), 1e-12) && result.slope == 1)
  }

  @Test("a certificate does not verify against another joint")
  func anotherJoint() throws {
    let (certificate, _) = try Certified.of(.hand)
    var other = TestModels.hand()
    other.inertia *= 1.3
    #expect(!verify(certificate, other).passed)
    #expect(!verify(certificate, TestModels.hand(delay: 1)).passed)
  }

  @Test("an indefinite P is refused")
  func indefinite() throws {
    var (certificate, model) = try Certified.of(.hand)
    certificate.p[0] = -certificate.p[0]
    #expect(!verify(certificate, model).passed)
  }
}
