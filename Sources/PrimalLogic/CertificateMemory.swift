/// Owns a copy of a certificate's tables, for a tick to read through `table`. Freed with the owner.
public struct CertificateMemory: ~Copyable {
  private let memory: UnsafeMutablePointer<Double>
  /// What the tick reads. Valid as long as this owner lives.
  public let table: CertificateTable

  /// Copies the tables of `certificate` into memory of their own.
  public init(copying certificate: Certificate) {
    let nodes = certificate.nodes.count
    let curvature = certificate.curvature.count
    let p = certificate.p.count
    memory = .allocate(capacity: nodes + curvature + p)
    for index in 0..<nodes { (memory + index).initialize(to: certificate.nodes[index]) }
    for index in 0..<curvature { (memory + nodes + index).initialize(to: certificate.curvature[index]) }
    for index in 0..<p { (memory + nodes + curvature + index).initialize(to: certificate.p[index]) }
    table = CertificateTable(
      minimumDt: certificate.minimumDt, maximumDt: certificate.maximumDt,
      inverseDtStep: certificate.inverseDtStep, nodes: UnsafePointer(memory),
      curvature: UnsafePointer(memory + nodes), p: UnsafePointer(memory + nodes + curvature))
  }

  deinit { memory.deallocate() }
}
