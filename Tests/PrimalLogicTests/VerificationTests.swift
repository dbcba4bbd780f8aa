import Testing

@testable import PrimalLogic

@Suite struct VerificationTests {
  @Test("issued certificates pass the independent verification", arguments: Certified.Which.allCases)
  func issued(_ which: Certified.Which) throws {
    let (certificate, model) = try Certified.of(which)
    let result = verify(certificate, model)
    #expect(result.passed && result.margin > 0)
  }

  @Test("the verification refuses P rounded to six digits; rounded to three, the norm expands at slope 0")
  func roundedNorm() throws {
    var (certificate, model) = try Certified.of(.hand)
    let issued = certificate.p
    let largest = (0..<25).map { issued[$0].magnitude }.max() ?? 1
    for i in 0..<25 { certificate.p[i] = (issued[i] / largest * 1e6).rounded() / 1e6 }
    #expect(!verify(certificate, model).passed)
    for i in 0..<25 { certificate.p[i] = (issued[i] / largest * 1e3).rounded() / 1e3 }
    #expect(!verify(certificate, model).passed)
    #expect(certificate.exactLipschitz(model, dt: 1e-3, slope: 0) > 1 + Certificate.unitTolerance)
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
