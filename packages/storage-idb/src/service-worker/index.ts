export {
  type Background,
  type BackgroundMessage,
  type BackgroundOptions,
  type BackgroundOutcome,
  type BackgroundTokenSource,
  type Deliverer,
  deliverInBackground,
  type WorkerScope,
} from './deliver-in-background.js'
export { requestDelivery, type RequestOptions, type WorkerRegistration } from './request-delivery.js'
