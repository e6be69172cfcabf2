/**
 * The elements of common R4 types, in a short form: `name:type`, `!` for required, `[]` for lists, `name[x]` for a
 * choice, `{…}` for what stands inside, `@name` for a group that is named elsewhere.
 */
const dataTypes: Readonly<Record<string, string>> = {
  Identifier: 'use:code type:CodeableConcept system:uri value:string period:Period assigner:Reference',
  HumanName:
    'use:code text:string family:string given[]:string prefix[]:string suffix[]:string period:Period',
  ContactPoint: 'system:code value:string use:code rank:positiveInt period:Period',
  Address:
    'use:code type:code text:string line[]:string city:string district:string state:string postalCode:string country:string period:Period',
  CodeableConcept: 'coding[]:Coding text:string',
  Coding: 'system:uri version:string code:code display:string userSelected:boolean',
  Quantity: 'value:decimal comparator:code unit:string system:uri code:code',
  Age: 'value:decimal comparator:code unit:string system:uri code:code',
  Duration: 'value:decimal comparator:code unit:string system:uri code:code',
  Range: 'low:Quantity high:Quantity',
  Ratio: 'numerator:Quantity denominator:Quantity',
  Period: 'start:dateTime end:dateTime',
  Reference: 'reference:string type:uri identifier:Identifier display:string',
  Annotation: 'author[x]:Reference|string time:dateTime text!:markdown',
  Attachment:
    'contentType:code language:code data:base64Binary url:url size:unsignedInt hash:base64Binary title:string creation:dateTime',
  SampledData:
    'origin!:Quantity period!:decimal factor:decimal lowerLimit:decimal upperLimit:decimal dimensions!:positiveInt data:string',
  Meta: 'versionId:id lastUpdated:instant source:uri profile[]:canonical security[]:Coding tag[]:Coding',
  Narrative: 'status!:code div!:xhtml',
}

const groups: Readonly<Record<string, string>> = {
  'Patient.contact':
    'relationship[]:CodeableConcept name:HumanName telecom[]:ContactPoint address:Address gender:code organization:Reference period:Period',
  'Patient.communication': 'language!:CodeableConcept preferred:boolean',
  'Patient.link': 'other!:Reference type!:code',
  'Observation.referenceRange':
    'low:Quantity high:Quantity type:CodeableConcept appliesTo[]:CodeableConcept age:Range text:string',
  'Observation.component':
    'code!:CodeableConcept value[x]:Quantity|CodeableConcept|string|boolean|integer|Range|Ratio|SampledData|time|dateTime|Period dataAbsentReason:CodeableConcept interpretation[]:CodeableConcept referenceRange[]:@Observation.referenceRange',
  'Device.udiCarrier':
    'deviceIdentifier:string issuer:uri jurisdiction:uri carrierAIDC:base64Binary carrierHRF:string entryType:code',
  'Device.deviceName': 'name!:string type!:code',
  'Device.specialization': 'systemType!:CodeableConcept version:string',
  'Device.version': 'type:CodeableConcept component:Identifier value!:string',
  'Device.property': 'type!:CodeableConcept valueQuantity[]:Quantity valueCode[]:CodeableConcept',
  'Practitioner.qualification':
    'identifier[]:Identifier code!:CodeableConcept period:Period issuer:Reference',
  'Organization.contact': 'purpose:CodeableConcept name:HumanName telecom[]:ContactPoint address:Address',
  'Condition.stage': 'summary:CodeableConcept assessment[]:Reference type:CodeableConcept',
  'Condition.evidence': 'code[]:CodeableConcept detail[]:Reference',
  'QuestionnaireResponse.item':
    'linkId!:string definition:uri text:string answer[]:@QuestionnaireResponse.answer item[]:@QuestionnaireResponse.item',
  'QuestionnaireResponse.answer':
    'value[x]:boolean|decimal|integer|date|dateTime|time|string|uri|Attachment|Coding|Quantity|Reference item[]:@QuestionnaireResponse.item',
}

const resources: Readonly<Record<string, string>> = {
  Patient:
    'identifier[]:Identifier active:boolean name[]:HumanName telecom[]:ContactPoint gender:code birthDate:date deceased[x]:boolean|dateTime address[]:Address maritalStatus:CodeableConcept multipleBirth[x]:boolean|integer photo[]:Attachment contact[]:@Patient.contact communication[]:@Patient.communication generalPractitioner[]:Reference managingOrganization:Reference link[]:@Patient.link',
  Observation:
    'identifier[]:Identifier basedOn[]:Reference partOf[]:Reference status!:code category[]:CodeableConcept code!:CodeableConcept subject:Reference focus[]:Reference encounter:Reference effective[x]:dateTime|Period|Timing|instant issued:instant performer[]:Reference value[x]:Quantity|CodeableConcept|string|boolean|integer|Range|Ratio|SampledData|time|dateTime|Period dataAbsentReason:CodeableConcept interpretation[]:CodeableConcept note[]:Annotation bodySite:CodeableConcept method:CodeableConcept specimen:Reference device:Reference referenceRange[]:@Observation.referenceRange hasMember[]:Reference derivedFrom[]:Reference component[]:@Observation.component',
  Device:
    'identifier[]:Identifier definition:Reference udiCarrier[]:@Device.udiCarrier status:code statusReason[]:CodeableConcept distinctIdentifier:string manufacturer:string manufactureDate:dateTime expirationDate:dateTime lotNumber:string serialNumber:string deviceName[]:@Device.deviceName modelNumber:string partNumber:string type:CodeableConcept specialization[]:@Device.specialization version[]:@Device.version property[]:@Device.property patient:Reference owner:Reference contact[]:ContactPoint location:Reference url:uri note[]:Annotation safety[]:CodeableConcept parent:Reference',
  Practitioner:
    'identifier[]:Identifier active:boolean name[]:HumanName telecom[]:ContactPoint address[]:Address gender:code birthDate:date photo[]:Attachment qualification[]:@Practitioner.qualification communication[]:CodeableConcept',
  Organization:
    'identifier[]:Identifier active:boolean type[]:CodeableConcept name:string alias[]:string telecom[]:ContactPoint address[]:Address partOf:Reference contact[]:@Organization.contact endpoint[]:Reference',
  Condition:
    'identifier[]:Identifier clinicalStatus:CodeableConcept verificationStatus:CodeableConcept category[]:CodeableConcept severity:CodeableConcept code:CodeableConcept bodySite[]:CodeableConcept subject!:Reference encounter:Reference onset[x]:dateTime|Age|Period|Range|string abatement[x]:dateTime|Age|Period|Range|string recordedDate:dateTime recorder:Reference asserter:Reference stage[]:@Condition.stage evidence[]:@Condition.evidence note[]:Annotation',
  QuestionnaireResponse:
    'identifier:Identifier basedOn[]:Reference partOf[]:Reference questionnaire:canonical status!:code subject:Reference encounter:Reference authored:dateTime author:Reference source:Reference item[]:@QuestionnaireResponse.item',
}

const inResource =
  'resourceType:code id:id meta:Meta implicitRules:uri language:code text:Narrative contained[]:Resource extension[]:Extension modifierExtension[]:Extension'
const inGroup = 'id:string extension[]:Extension modifierExtension[]:Extension'
const inDataType = 'id:string extension[]:Extension'

export interface ElementRule {
  readonly type: string
  readonly list: boolean
  readonly required: boolean
  /** The name of the choice (`value[x]`), of whose members one may stand. */
  readonly choice: string | undefined
}

export type ElementRules = ReadonlyMap<string, ElementRule>

const parsed = new Map<string, ElementRules>()

/** `undefined` for types that are not listed: those are checked for the rules of the JSON format alone. */
export function rulesOf(name: string): ElementRules | undefined {
  const known = parsed.get(name)
  if (known !== undefined) return known
  let text: string | undefined
  if (name.startsWith('@')) text = join(groups[name.slice(1)], inGroup)
  else if (Object.hasOwn(resources, name)) text = join(resources[name], inResource)
  else if (Object.hasOwn(dataTypes, name)) text = join(dataTypes[name], inDataType)
  if (text === undefined) return undefined
  const rules = parse(text)
  parsed.set(name, rules)
  return rules
}

function join(own: string | undefined, common: string): string | undefined {
  return own === undefined ? undefined : `${common} ${own}`
}

function parse(text: string): ElementRules {
  const rules = new Map<string, ElementRule>()
  for (const item of text.split(' ')) {
    const [left = '', type = ''] = item.split(':')
    const name = left.replace(/(\[x?\]|!)+$/, '')
    const rule = { list: left.includes('[]'), required: left.includes('!'), choice: undefined }
    if (!left.includes('[x]')) rules.set(name, { ...rule, type })
    else {
      for (const one of type.split('|')) {
        rules.set(`${name}${one.charAt(0).toUpperCase()}${one.slice(1)}`, {
          ...rule,
          type: one,
          choice: `${name}[x]`,
        })
      }
    }
  }
  return rules
}

const date = String.raw`\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?`
const clock = String.raw`([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?`
const zone = String.raw`(Z|[+-]((0\d|1[0-3]):[0-5]\d|14:00))`

/** Patterns of primitives that are JSON strings. */
export const stringPrimitives: Readonly<Record<string, RegExp>> = {
  string: /\S/,
  markdown: /\S/,
  uri: /^\S+$/,
  url: /^\S+$/,
  canonical: /^\S+$/,
  code: /^\S+( \S+)*$/,
  id: /^[A-Za-z0-9\-.]{1,64}$/,
  date: new RegExp(`^${date}$`),
  dateTime: new RegExp(`^(${date}|${date.replaceAll('?', '')}T${clock}${zone})$`),
  instant: new RegExp(String.raw`^\d{4}-\d\d-\d\dT${clock}${zone}$`),
  time: new RegExp(`^${clock}$`),
  base64Binary: /^(\s*[A-Za-z0-9+/=]\s*)+$/,
  xhtml: /^\s*<div[\s>]/,
}

/** Patterns of primitives that are JSON numbers, for their text. */
export const numberPrimitives: Readonly<Record<string, RegExp>> = {
  decimal: /^-?\d/,
  integer: /^-?(0|[1-9]\d*)$/,
  positiveInt: /^[1-9]\d*$/,
  unsignedInt: /^(0|[1-9]\d*)$/,
}
