declare module '@lhncbc/ucum-lhc' {
  export class UcumLhcUtils {
    static getInstance(): UcumLhcUtils
    validateUnitString(code: string): { readonly status: 'valid' | 'invalid' | 'error' }
  }
}
