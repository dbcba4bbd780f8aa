import HandModel

extension [CertificateSummary] {
  /// As it is stored inside each recording.
  package var json: String {
    JSONWriter.text { json in
      json.array(self) { json, certificate in
        json.object {
          $0.member("joint", certificate.joint)
          if let finger = certificate.finger { $0.member("finger", finger) }
          $0.member("lipschitz", certificate.lipschitz)
          $0.member("lipschitzSaturated", certificate.lipschitzSaturated)
          $0.member("ratePerSecond", certificate.ratePerSecond)
          $0.member("minimumDtSeconds", certificate.minimumDtSeconds)
          $0.member("maximumDtSeconds", certificate.maximumDtSeconds)
          $0.member("holdTicks", certificate.holdTicks)
          $0.member("delayTicks", certificate.delayTicks)
          $0.member("unsaturatedLevel", certificate.unsaturatedLevel)
        }
      }
    }
  }
}
